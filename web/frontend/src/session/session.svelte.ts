import { type ApiError, get, send } from "../api/client.ts";
import type { components } from "../api/schema.d.ts";
import { language } from "../messages/language.svelte.ts";
import { loginFor } from "./return.ts";
import { covers, type Role } from "./role.ts";

export type Identity = components["schemas"]["Session"];

/**
 * Who uses this page. One for the whole page: `session`. The server alone decides what may be done; this only
 * decides what is shown.
 */
class Session {
  /** Who it is; null until `load` or a log-in has answered. A guest has the role null. */
  identity = $state.raw<Identity | null>(null);

  /** Whether somebody is logged in. */
  get loggedIn(): boolean {
    return this.identity?.role != null;
  }

  /** Whether the one who is logged in has this role or a higher one. */
  may(role: Role): boolean {
    return covers(this.identity?.role ?? null, role);
  }

  /** Asks the server who this is. Rejects with `ApiError`. */
  async load(): Promise<Identity> {
    this.identity = await get("/api/v1/session", { language: language() });
    return this.identity;
  }

  /** Logs in with a login and password. Rejects with `ApiError`, whose message says what to do. */
  async logIn(login: string, password: string): Promise<Identity> {
    this.identity = await send("post", "/api/v1/session", { login, password }, { language: language() });
    return this.identity;
  }

  /** Logs in with an API token, which is exchanged for a session. */
  async logInWithToken(token: string): Promise<Identity> {
    this.identity = await send("post", "/api/v1/session", { token }, { language: language() });
    return this.identity;
  }

  /** Logs out; with `everywhere` on all other devices too. */
  async logOut(everywhere = false): Promise<void> {
    const query = everywhere ? { everywhere: "true" } : {};
    await send("delete", "/api/v1/session", undefined, { query, language: language() });
    this.identity = { role: null, name: "", user: null, login: "" };
  }

  /**
   * For pages that need a role: true when it is there, and false when somebody is logged in who has too low a one
   * (say so on the page). A guest is sent to the log-in page, which leads back here; the promise then never settles.
   */
  async require(role: Role): Promise<boolean> {
    await this.load();
    if (!this.loggedIn) return this.away();
    return this.may(role);
  }

  /** Call with the error of any request: where the session has ended, it goes to the log-in page and never settles. */
  async ended(error: ApiError): Promise<void> {
    if (error.status === 401) await this.away();
  }

  /** To the log-in page, which leads back here. */
  away(): Promise<never> {
    location.assign(loginFor(location.pathname + location.search));
    return new Promise(() => undefined);
  }
}

export const session = new Session();
