import { fill, type Language, type MessageKey, preferred, type Values } from "./index.ts";

const KEPT = "gachi.language";

function initial(): Language {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === "ko" || kept === "en") return kept;
  } catch {
    // Storage is forbidden (a frame of another site): the browser's own language decides.
  }
  return preferred(navigator.languages);
}

let current = $state<Language>(initial());

/** The language of the page. Reading it in a component follows changes. */
export function language(): Language {
  return current;
}

/** Changes the language at once and for the next visit. */
export function speak(wanted: Language): void {
  current = wanted;
  document.documentElement.lang = wanted;
  try {
    localStorage.setItem(KEPT, wanted);
  } catch {
    // As above: it then lasts for this page.
  }
}

/** The message `key` in the page's language. */
export function t(key: MessageKey, values?: Values): string {
  return fill(current, key, values);
}
