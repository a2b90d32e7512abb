import { filled, type Values } from "../index.ts";
import { language } from "../language.svelte.ts";
import { type CommerceKey, catalogues } from "./index.ts";

/** A text of products, in the page's language. */
export function c(key: CommerceKey, values?: Values): string {
  return filled(catalogues[language()][key], values);
}
