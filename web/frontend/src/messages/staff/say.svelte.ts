import { filled, type Values } from "../index.ts";
import { language } from "../language.svelte.ts";
import { catalogues, type StaffKey } from "./index.ts";

/** A text of the staff page in the page's language. */
export function s(key: StaffKey, values?: Values): string {
  return filled(catalogues[language()][key], values);
}
