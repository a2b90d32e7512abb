import { filled, type Values } from "../index.ts";
import { language } from "../language.svelte.ts";
import { catalogues, type HostKey } from "./index.ts";

/** A text of the host's page, in the page's language. */
export function h(key: HostKey, values?: Values): string {
  return filled(catalogues[language()][key], values);
}
