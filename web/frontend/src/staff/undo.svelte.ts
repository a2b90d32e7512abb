import { onMount } from "svelte";
import { ApiError } from "../api/client.ts";
import { s } from "../messages/staff/say.svelte.ts";
import { session } from "../session/session.svelte.ts";
import { added, type Entry, elapsed, LASTS, newest } from "./undo.ts";

type Act = () => Promise<unknown>;

/** What the person at this page did, and the doing of it. One for the whole page. */
class Deeds {
  entries = $state.raw<readonly Entry[]>([]);
  /** Keys of what is under way, or due: their buttons wait. */
  busy = $state.raw<ReadonlySet<string>>(new Set());
  #next = 1;
  #acts = new Map<number, Act>();

  /** Lets time pass while the component that calls this stands. */
  run(): void {
    onMount(() => {
      const timer = setInterval(() => this.#elapse(), 250);
      const ended = new AbortController();
      window.addEventListener("keydown", (event) => this.#key(event), { signal: ended.signal });
      return () => {
        ended.abort();
        clearInterval(timer);
      };
    });
  }

  /** Does something at once. `text` says that it is done; `undo` reverses it, where that can be. */
  async now(
    about: string,
    text: string | ((answer: unknown) => string),
    act: Act,
    undo?: Act,
  ): Promise<boolean> {
    if (this.busy.has(about)) return false;
    this.#hold(about, true);
    try {
      const answer = await act();
      const words = typeof text === "string" ? text : text(answer);
      if (words !== "") this.#add(undo ? "done" : "told", about, words, undo);
      return true;
    } catch (error) {
      await this.#failed(about, error);
      return false;
    } finally {
      this.#hold(about, false);
    }
  }

  /** Does something in a few seconds, unless it is taken back: for what cannot be reversed. */
  later(about: string, text: string, act: Act): void {
    this.#add("due", about, text, act);
  }

  /** Whether this will be done in a moment. */
  due(about: string): boolean {
    return this.entries.some((entry) => entry.about === about && entry.kind === "due");
  }

  /** Takes an entry back. */
  async undo(entry: Entry): Promise<void> {
    const act = this.#drop(entry);
    if (entry.kind === "done" && act) await this.now(entry.about, "", act);
  }

  /** Does what is due now instead of in some seconds. */
  async hurry(entry: Entry): Promise<void> {
    const act = this.#drop(entry);
    if (act) await this.now(entry.about, "", act);
  }

  close(entry: Entry): void {
    this.#drop(entry);
  }

  #add(kind: Entry["kind"], about: string, text: string, act?: Act): void {
    const id = this.#next++;
    const { entries, replaced } = added(this.entries, {
      id,
      kind,
      about,
      text,
      until: Date.now() + LASTS[kind],
    });
    for (const entry of replaced) this.#acts.delete(entry.id);
    if (act) this.#acts.set(id, act);
    this.entries = entries;
  }

  #drop(entry: Entry): Act | undefined {
    const act = this.#acts.get(entry.id);
    this.#acts.delete(entry.id);
    this.entries = this.entries.filter((other) => other.id !== entry.id);
    return act;
  }

  #elapse(): void {
    const { entries, due } = elapsed(this.entries, Date.now());
    if (entries === this.entries) return;
    this.entries = entries;
    for (const entry of due) {
      const act = this.#drop(entry);
      if (act) void this.now(entry.about, "", act);
    }
  }

  #key(event: KeyboardEvent): void {
    if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
    const entry = newest(this.entries);
    if (entry === undefined) return;
    event.preventDefault();
    void this.undo(entry);
  }

  #hold(about: string, held: boolean): void {
    const busy = new Set(this.busy);
    if (held) busy.add(about);
    else busy.delete(about);
    this.busy = busy;
  }

  async #failed(about: string, error: unknown): Promise<void> {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) await session.ended(error);
    this.#add("failed", about, words(error));
  }
}

/** What went wrong, and what to do. */
export function words(error: ApiError): string {
  if (error.fault !== "refused") return s(`fail.${error.fault}`);
  if (error.status === 412) return s("fail.stale");
  if (error.status === 403) return s("fail.forbidden");
  return error.problem?.detail ?? error.problem?.title ?? s("fail.unknown");
}

export const deeds = new Deeds();
