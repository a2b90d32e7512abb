import { en } from "./en.ts";
import { ko } from "./ko.ts";

export type MessageKey = keyof typeof ko;
export type Catalogue = Readonly<Record<MessageKey, string>>;
export type Language = "ko" | "en";
export type Values = Readonly<Record<string, string | number>>;

export const catalogues: Readonly<Record<Language, Catalogue>> = { ko, en };

/** The first of the reader's languages that we speak; Korean for everybody else. */
export function preferred(languages: readonly string[]): Language {
  for (const tag of languages) {
    const language = tag.toLowerCase().split("-")[0];
    if (language === "ko" || language === "en") return language;
  }
  return "ko";
}

/** A text with its `{name}`s filled in; a value that was not given stays visible as `{name}`. */
export function filled(text: string, values: Values = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A message with its `{name}`s filled in. */
export function fill(language: Language, key: MessageKey, values?: Values): string {
  return filled(catalogues[language][key], values);
}
