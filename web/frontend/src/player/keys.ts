export type KeyAction =
  | { readonly type: "toggle" | "mute" | "fullscreen" | "start" | "end" | "help" }
  | { readonly type: "seek"; readonly seconds: number }
  | { readonly type: "volume"; readonly change: number };

export interface Key {
  readonly key: string;
  readonly code: string;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
}

const NAMED: Readonly<Record<string, KeyAction>> = {
  " ": { type: "toggle" },
  k: { type: "toggle" },
  m: { type: "mute" },
  f: { type: "fullscreen" },
  j: { type: "seek", seconds: -10 },
  l: { type: "seek", seconds: 10 },
  ArrowLeft: { type: "seek", seconds: -5 },
  ArrowRight: { type: "seek", seconds: 5 },
  ArrowUp: { type: "volume", change: 0.1 },
  ArrowDown: { type: "volume", change: -0.1 },
  Home: { type: "start" },
  End: { type: "end" },
  "?": { type: "help" },
};

/**
 * What a key means. With a Korean layout K arrives as `ㅏ`: a key that is no Latin letter is read by its place on
 * the board. Combinations belong to the browser.
 */
export function actionOf(key: Key): KeyAction | null {
  if (key.ctrlKey || key.altKey || key.metaKey) return null;
  const named = NAMED[key.key] ?? NAMED[key.key.toLowerCase()];
  if (named !== undefined) return named;
  const letter = /^Key([A-Z])$/.exec(key.code)?.[1];
  const latin = key.key.length === 1 && key.key.charCodeAt(0) < 128;
  return letter === undefined || latin ? null : (NAMED[letter.toLowerCase()] ?? null);
}
