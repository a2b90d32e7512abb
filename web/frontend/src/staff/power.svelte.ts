import { ApiError, type Channel, send } from "../api/client.ts";
import { language } from "../messages/language.svelte.ts";
import { s } from "../messages/staff/say.svelte.ts";
import { nameOf } from "./attention.ts";
import { deeds } from "./undo.svelte.ts";

/** What the server says when the machine has no room: its arithmetic, in words; null for other errors. */
export function noRoom(error: unknown): string | null {
  const problem = error instanceof ApiError ? error.problem : null;
  return problem?.type === "/problems/no-capacity" ? (problem.detail ?? problem.title) : null;
}

/** Starts and stops one channel. */
export class Power {
  /** Why starting was refused, where that was for want of room. */
  refused = $state("");
  readonly #channel: () => Channel;
  readonly #answered: (channel: Channel) => Channel;

  constructor(channel: () => Channel, answered: (channel: Channel) => Channel) {
    this.#channel = channel;
    this.#answered = answered;
  }

  get about(): string {
    return `channel.${this.#channel().id}.power`;
  }

  get waits(): boolean {
    return deeds.due(this.about) || deeds.busy.has(this.about);
  }

  /** With `force` also where there is no room. */
  start(force = false): void {
    const channel = this.#channel();
    const said = () => (this.refused === "" ? s("did.channel.start", { channel: nameOf(channel) }) : "");
    void deeds.now(this.about, said, async () => {
      this.refused = "";
      try {
        const query: Record<string, string> = force ? { force: "true" } : {};
        const options = { path: { channel: channel.id }, query, language: language() };
        this.#answered(await send("post", "/api/v1/channels/{channel}/start", undefined, options));
      } catch (error) {
        const why = noRoom(error);
        if (why === null) throw error;
        this.refused = why;
      }
    });
  }

  stop(): void {
    const channel = this.#channel();
    deeds.later(this.about, s("due.channel.stop", { channel: nameOf(channel) }), async () =>
      this.#answered(
        await send("post", "/api/v1/channels/{channel}/stop", undefined, {
          path: { channel: channel.id },
          language: language(),
        }),
      ),
    );
  }
}
