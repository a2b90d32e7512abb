import { type Asking, ask } from "../api/client.ts";
import { language } from "../messages/language.svelte.ts";
import type { Cards, LineupItem, ProductPage, SaleStart } from "./types.ts";

const CARDS = "/api/v1/shows/{show}/cards";

/** All cards of a show. Rejects with `ApiError`, as all of these do. */
export async function cardsOf(show: string, signal?: AbortSignal): Promise<Cards> {
  const options: Asking = { method: "GET", path: { show }, language: language() };
  return (await ask(CARDS, signal === undefined ? options : { ...options, signal })) as Cards;
}

async function change(
  method: string,
  template: string,
  path: Record<string, string>,
  body?: unknown,
): Promise<Cards> {
  const asking: Asking = { method, path, language: language() };
  const told = await ask(
    template,
    body === undefined
      ? asking
      : { ...asking, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) },
  );
  return told as Cards;
}

/** Put a card on the picture, or take it off; let it stand there while no other is shown, or no longer. */
export function turn(show: string, product: string, what: "show" | "hide" | "pin" | "unpin"): Promise<Cards> {
  return change("POST", `${CARDS}/{product}/${what}`, { show, product });
}

export function startSale(show: string, product: string, sale: SaleStart): Promise<Cards> {
  return change("POST", `${CARDS}/{product}/sale`, { show, product }, sale);
}

export function endSale(show: string, product: string): Promise<Cards> {
  return change("DELETE", `${CARDS}/{product}/sale`, { show, product });
}

/** Replace the products of a show; refused (412) when its lineup is not `version` any more. */
export async function putLineup(show: string, version: number, items: readonly LineupItem[]): Promise<Cards> {
  const told = await ask("/api/v1/shows/{show}/lineup", {
    method: "PUT",
    path: { show },
    language: language(),
    headers: { "Content-Type": "application/json", "If-Match": `"${version}"` },
    body: JSON.stringify({ items }),
  });
  return told as Cards;
}

/** Products of the catalog by words or first consonants, best match first. */
export async function findProducts(text: string, signal: AbortSignal): Promise<ProductPage> {
  const query = { text, limit: 20 };
  const told = await ask("/api/v1/products", { method: "GET", query, language: language(), signal });
  return told as ProductPage;
}
