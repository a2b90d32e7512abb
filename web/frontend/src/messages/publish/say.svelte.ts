import { filled, type Values } from "../index.ts";
import { language } from "../language.svelte.ts";
import { catalogues, type PublishKey } from "./index.ts";

/** A text of the page for going live, in the page's language. */
export function p(key: PublishKey, values?: Values): string {
  return filled(catalogues[language()][key], values);
}
