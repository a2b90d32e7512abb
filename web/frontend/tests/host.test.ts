import { describe, expect, it } from "vitest";
import type { Card, Cards, LineupItem, Product } from "../src/commerce/types.ts";
import {
  added,
  changed,
  itemsOf,
  lastShown,
  MOST,
  moved,
  nextCard,
  onPicture,
  removed,
  saleFault,
  suggested,
  wholeIn,
} from "../src/host/run.ts";
import { catalogues as commerce } from "../src/messages/commerce/index.ts";
import { catalogues as host } from "../src/messages/host/index.ts";

const card = (id: string, change: Partial<Card> = {}, product: Partial<Product> = {}): Card => ({
  product: { id, title: id, price: 12_000, saleable: 5, gone: false, ...product } as Product,
  state: "queued",
  buy: `/go/${id}`,
  talking_points: null,
  sale_price: null,
  sale: null,
  ...change,
});
const cards = (list: readonly Card[], shown: readonly (string | null)[], pinned = false): Cards => ({
  show: "s",
  version: 1,
  cards: list,
  moments: shown.map((product, i) => ({
    time: new Date(i * 1000).toISOString(),
    product,
    pinned,
    price: null,
    list_price: null,
  })),
});

describe("a show in its host's hand", () => {
  const list = [card("apple"), card("pear", { state: "sold_out" }), card("fig"), card("plum")];
  const next = (place: string | null, chosen: string | null = null) =>
    nextCard(list, place, chosen)?.product.id;

  it("has on the picture what was told last", () => {
    expect(onPicture(cards(list, ["apple", "fig"]))).toEqual({ product: "fig", pinned: false });
    expect(onPicture(cards(list, ["apple", null]))).toBeNull();
    expect(onPicture(cards(list, []))).toBeNull();
    expect(lastShown(cards(list, ["apple", null]))).toBe("apple");
    expect(lastShown(cards(list, [null]))).toBeNull();
  });

  it("says of a shown card too that it is the pinned one", () => {
    const pinned = [card("apple", { state: "pinned" })];
    expect(onPicture(cards(pinned, ["apple"]))?.pinned).toBe(true);
    expect(onPicture(cards(list, ["pear"], true))?.pinned).toBe(true);
  });

  it("goes on with the next that can be bought, or the chosen one", () => {
    expect([next(null), next("apple"), next("fig"), next("plum"), next("gone")]).toEqual([
      "apple",
      "fig",
      "plum",
      undefined,
      "apple",
    ]);
    expect([
      next("apple", "plum"),
      next("apple", "pear"),
      next("apple", "apple"),
      next("apple", "none"),
    ]).toEqual(["plum", "pear", "fig", "fig"]);
  });
});

describe("a time sale", () => {
  it.each([
    [9_000, null, null],
    [9_000, 30, null],
    [null, null, "sale.price.none"],
    [Number.NaN, null, "sale.price.none"],
    [0, null, "sale.price.none"],
    [12_000, null, "sale.price.high"],
    [9_000, 0, "sale.quantity.wrong"],
    [9_000, Number.NaN, "sale.quantity.wrong"],
  ])("at %s, %s pieces", (price, quantity, wanted) => {
    expect(saleFault(price, quantity, card("apple").product)).toBe(wanted);
  });

  it("begins with the planned price, else with a tenth off", () => {
    expect([
      suggested(card("apple", { sale_price: 9_900 })),
      suggested(card("apple", { sale_price: 13_000 })),
      suggested(card("apple", {}, { price: 12_345 })),
      suggested(card("apple", {}, { price: 90 })),
    ]).toEqual([9_900, 10_800, 11_100, 89]);
  });

  it("reads sums as people write them", () => {
    expect(["9,900원", " 12 000 ", "", "₩100"].map(wholeIn)).toEqual([9_900, 12_000, null, 100]);
    expect(["nine", "-1", "1.5", "1e3"].map(wholeIn)).toEqual([
      Number.NaN,
      Number.NaN,
      Number.NaN,
      Number.NaN,
    ]);
  });
});

describe("a lineup", () => {
  const item = (product: string): LineupItem => ({ product, talking_points: "", sale_price: null });
  const items = ["a", "b", "c"].map(item);
  const names = (list: readonly LineupItem[]) => list.map(({ product }) => product).join("");

  it("is put as it is known", () => {
    expect(itemsOf([card("a", { talking_points: "sweet", sale_price: 900 }), card("b")])).toEqual([
      { product: "a", talking_points: "sweet", sale_price: 900 },
      { product: "b", talking_points: "", sale_price: null },
    ]);
  });

  it("is moved within its ends", () => {
    expect([names(moved(items, "c", -1)), names(moved(items, "a", 1)), names(moved(items, "a", 9))]).toEqual([
      "acb",
      "bac",
      "bca",
    ]);
    expect([moved(items, "a", -1), moved(items, "c", 1), moved(items, "x", 1)]).toEqual([
      items,
      items,
      items,
    ]);
  });

  it("has each product once, and a hundred at most", () => {
    expect(names(added(items, "d"))).toBe("abcd");
    expect(added(items, "a")).toBe(items);
    const full = Array.from({ length: MOST }, (_, i) => item(`p${i}`));
    expect(added(full, "z")).toBe(full);
    expect(names(removed(items, "b"))).toBe("ac");
    expect(changed(items, "b", { sale_price: 5 })[1]).toEqual({ ...item("b"), sale_price: 5 });
  });
});

describe.each([
  ["commerce", commerce],
  ["host", host],
])("the catalogue of %s", (_, { ko, en }) => {
  const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

  it("says in both languages the same, each in its own", () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(ko).sort());
    for (const [key, text] of Object.entries(en)) {
      expect(names(text), key).toEqual(names((ko as Readonly<Record<string, string>>)[key] ?? ""));
      expect(text, key).not.toMatch(/[가-힣]/);
    }
  });
});
