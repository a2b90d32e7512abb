import { tick } from "svelte";
import { ApiError } from "../api/client.ts";
import { session } from "../session/session.svelte.ts";
import { type Faults, faultsOf } from "./faults.ts";
import { words } from "./undo.svelte.ts";

export interface Names {
  /** Fields of the form, as the API calls them. */
  readonly fields: readonly string[];
  readonly prefix?: string;
  /** Our own words for some refusals; null leaves it to the server's. */
  readonly own?: (error: ApiError) => Faults | null;
}

/** A form that is sent: what is wrong with it, told at the fields, and the focus on the first of them. */
export class Form {
  busy = $state(false);
  faults = $state.raw<Faults>({});
  /** What is wrong with the whole. */
  trouble = $state("");
  root = $state<HTMLFormElement>();
  readonly #names: Names;

  constructor(names: Names) {
    this.#names = names;
  }

  clear(): void {
    this.faults = {};
    this.trouble = "";
  }

  /** Sends it unless `wrong` says what is missing; true when it was done. `act` rejects with `ApiError`. */
  async send(wrong: Readonly<Record<string, string | null>>, act: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false;
    this.clear();
    const found = Object.entries(wrong).filter((each): each is [string, string] => each[1] !== null);
    if (found.length > 0) {
      this.faults = Object.fromEntries(found);
      await this.#point();
      return false;
    }
    this.busy = true;
    try {
      await act();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { fields, prefix, own } = this.#names;
      this.faults = own?.(error) ?? faultsOf(error.problem, fields, prefix);
      if (Object.keys(this.faults).length === 0) {
        await session.ended(error);
        this.trouble = words(error);
      }
    } finally {
      this.busy = false;
    }
    await this.#point();
    return false;
  }

  async #point(): Promise<void> {
    await tick();
    this.root?.querySelector<HTMLElement>('[aria-invalid="true"], [role="alert"]')?.focus();
  }
}
