import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Announcing, announced, QUIET, type Seen, SILENT } from "../src/commerce/announce.ts";
import { countdown, endsSoon, left, oldness } from "../src/commerce/countdown.ts";
import { following } from "../src/commerce/follow.ts";
import { buyLink, partnerIn } from "../src/commerce/link.ts";
import { placed, pricedAt, shownAt, untilNext } from "../src/commerce/moments.ts";
import { leftOf, percentOff, priceOf, won } from "../src/commerce/price.ts";
import type { Moment, Product, Sale } from "../src/commerce/types.ts";

const START = Date.UTC(2026, 2, 2, 11);
const iso = (seconds: number) => new Date(START + seconds * 1000).toISOString();
const moment = (seconds: number, product: string | null, price: number | null = 1000): Moment => ({
  time: iso(seconds),
  product,
  pinned: false,
  price: product === null ? null : price,
  list_price: null,
});

describe("what is on the picture", () => {
  const line = placed([moment(30, null), moment(10, "apple"), moment(60, "pear"), moment(90, "apple", 900)]);
  const at = (seconds: number) => shownAt(line, START + seconds * 1000)?.product;

  it("is the last moment that is not after the picture's own time, wherever the viewer is", () => {
    expect([9.999, 10, 29.999, 30, 60, 3600, 15].map(at)).toEqual([
      undefined,
      "apple",
      "apple",
      null,
      "pear",
      "apple",
      "apple",
    ]);
  });

  it("is nothing while the time is not known, or nothing was shown", () => {
    expect(shownAt(line, null)).toBeNull();
    expect(shownAt([], START)).toBeNull();
  });

  it("is what was told last where two come at one time", () => {
    expect(shownAt(placed([moment(1, "apple"), moment(1, "pear")]), START + 1000)?.product).toBe("pear");
  });

  it("changes after a time that is known", () => {
    expect([0, 10, 59.75, 90].map((seconds) => untilNext(line, START + seconds * 1000))).toEqual([
      10_000,
      20_000,
      250,
      null,
    ]);
    expect(untilNext(line, null)).toBeNull();
  });

  it("reads microseconds, and passes over what is no time", () => {
    const read = placed([
      { ...moment(0, "apple"), time: "2026-03-02T11:00:00.250999Z" },
      { ...moment(0, "pear"), time: "soon" },
    ]);
    expect(read.map((each) => each.at - START)).toEqual([250]);
  });

  it("tells what a product cost when it was shown last, else when it was first", () => {
    const price = (product: string, seconds: number | null) =>
      pricedAt(line, product, seconds === null ? null : START + seconds * 1000)?.price;
    expect([
      price("apple", 20),
      price("apple", 95),
      price("pear", 20),
      price("apple", null),
      price("fig", 95),
    ]).toEqual([1000, 900, 1000, 1000, undefined]);
  });
});

describe("following a picture", () => {
  beforeEach(() => void vi.useFakeTimers({ now: 0 }));
  afterEach(() => void vi.useRealTimers());

  /** A player whose picture began at programme second `from` when the fake clock stood at 0. */
  class Film {
    speed = 1;
    #base: number;
    #since = 0;
    constructor(from: number) {
      this.#base = START + from * 1000;
    }
    get programme(): number {
      return this.#base + (Date.now() - this.#since) * this.speed;
    }
    set(from: number, speed: number): void {
      this.#base = START + from * 1000;
      this.#since = Date.now();
      this.speed = speed;
    }
    lasts(programme: number): number | null {
      return this.speed === 0 ? null : programme / this.speed;
    }
  }

  /** Follows as the page does: anew each half second and at each change; gives [milliseconds, product] of each change. */
  function follow(film: Film, line: ReturnType<typeof placed>) {
    const told: [number, string | null][] = [];
    let stop: () => void = () => undefined;
    const renew = () => {
      stop();
      stop = following(line, film, (moment) => {
        const product = moment?.product ?? null;
        if (told.length === 0 || told.at(-1)?.[1] !== product) told.push([Date.now(), product]);
      });
    };
    renew();
    const timer = setInterval(() => film.speed > 0 && renew(), 500);
    return {
      told,
      renew,
      end: () => {
        clearInterval(timer);
        stop();
      },
    };
  }
  const line = placed([moment(2.13, "apple"), moment(2.31, "pear"), moment(9, null)]);

  it("meets each moment within a quarter of a second, two that are close to each other too", async () => {
    const run = follow(new Film(0), line);
    await vi.advanceTimersByTimeAsync(10_000);
    const due: [number, string | null][] = [
      [0, null],
      [2_130, "apple"],
      [2_310, "pear"],
      [9_000, null],
    ];
    expect(run.told.map(([, product]) => product)).toEqual(due.map(([, product]) => product));
    for (const [i, [at]] of due.entries())
      expect(Math.abs((run.told[i]?.[0] ?? 0) - at)).toBeLessThanOrEqual(250);
    run.end();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits while the picture stands, goes back with a seek, and goes faster with it", async () => {
    const film = new Film(2);
    const run = follow(film, line);
    film.set(2.1, 0);
    run.renew();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(run.told).toEqual([[0, null]]);
    film.set(8.9, 1.1);
    run.renew();
    await vi.advanceTimersByTimeAsync(200);
    film.set(2.2, 1);
    run.renew();
    expect(run.told.map(([, product]) => product)).toEqual([null, "pear", null, "apple"]);
    run.end();
  });
});

const product = (change: Partial<Product> = {}) =>
  ({ price: 12_000, list_price: 15_000, saleable: 20, gone: false, ...change }) as Product;
const sale = (ends: number, price = 9_000): Sale => ({
  id: "s1",
  price,
  started: iso(0),
  ends: iso(ends),
  quantity: null,
  per_buyer: null,
});

describe("prices", () => {
  it("have separators and their unit", () => {
    expect([won(1_234_567, "ko"), won(900, "ko"), won(12_900, "en")]).toEqual([
      "1,234,567원",
      "900원",
      "₩12,900",
    ]);
  });

  it.each([
    [9_000, 10_000, 10],
    [9_001, 10_000, 9],
    [9_999, 10_000, null],
    [10_000, 10_000, null],
    [10_000, null, null],
    [1, 1_000_000, 99],
  ])("%d instead of %s", (price, before, off) => {
    expect(percentOff(price, before)).toBe(off);
  });

  it("are those of the time sale until it ends by the server's clock", () => {
    const card = { product: product(), sale: sale(60) };
    expect(priceOf(card, START + 59_999)).toMatchObject({ price: 9_000, before: 15_000, off: 40 });
    expect(priceOf(card, START + 60_000)).toMatchObject({
      price: 12_000,
      before: 15_000,
      off: 20,
      sale: null,
    });
    expect(priceOf({ product: product({ list_price: null }), sale: null }, START).before).toBeNull();
  });

  it("call no price reduced by itself where the shop itself carries the sale out", () => {
    const card = { product: product({ price: 9_000, list_price: null }), sale: sale(60) };
    expect(priceOf(card, START)).toMatchObject({ price: 9_000, before: null, off: null });
  });
});

describe("stock", () => {
  it.each([
    [{ saleable: 3 }, 3],
    [{ saleable: 10 }, 10],
    [{ saleable: 11 }, null],
    [{ saleable: null }, null],
    [{ saleable: 0 }, "out"],
    [{ gone: true }, "out"],
  ])("%j", (change, wanted) => {
    expect(leftOf({ product: product(change) })).toBe(wanted);
  });

  it("is out where the show says so, even before the shop does", () => {
    expect(leftOf({ product: product(), state: "sold_out" })).toBe("out");
  });
});

describe("countdowns", () => {
  it("reach 0:00 when the sale is over, and not before", () => {
    expect([133_000, 132_001, 1, 0, 3_723_000].map(countdown)).toEqual([
      "2:13",
      "2:13",
      "0:01",
      "0:00",
      "1:02:03",
    ]);
    expect([left(sale(60), START + 59_000), left(sale(60), START + 61_000)]).toEqual([1_000, 0]);
  });

  it("end soon in the last minute", () => {
    expect([0, 59, 60, 120].map((ends) => endsSoon(sale(120), START + ends * 1000))).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });

  it("what is told of a product is old after a minute", () => {
    expect([60, 61].map((seconds) => oldness(iso(0), START + seconds * 1000))).toEqual([null, 61_000]);
  });
});

describe("purchase links", () => {
  it("tell the time of the picture in microseconds, and the partner", () => {
    expect(buyLink("/go/abc", 1_772_449_200_123.4, null)).toBe("/go/abc?t=1772449200123400");
    expect(buyLink("/go/abc", null, "cafe-1")).toBe("/go/abc?ch=cafe-1");
    expect(buyLink("/go/abc?x=1", 1, "a")).toBe("/go/abc?x=1&t=1000&ch=a");
    expect(buyLink("/go/abc", null, null)).toBe("/go/abc");
  });

  it.each([
    ["?ch=cafe-1", "cafe-1"],
    ["?ch=", null],
    ["", null],
    ["?ch=A", null],
    [`?ch=${"a".repeat(21)}`, null],
    ["?ch=a%26b", null],
  ])("%s", (search, word) => {
    expect(partnerIn(search)).toBe(word);
  });
});

describe("announcements", () => {
  const seen = (change: Partial<Seen> = {}): Seen => ({
    product: "apple",
    out: false,
    ending: null,
    ...change,
  });

  /** Runs a script of [milliseconds, what is on the picture]; gives what is said when. */
  function run(script: readonly (readonly [number, Seen])[]): string[] {
    let state: Announcing = SILENT;
    let due: number | null = null;
    let last = seen({ product: null });
    const said: string[] = [];
    const at = (now: number, what: Seen) => {
      const next = announced(state, what, now);
      state = next.state;
      last = what;
      due = next.wait === null ? null : now + next.wait;
      if (next.say.length > 0)
        said.push(`${now} ${next.say.map((each) => `${each.kind} ${each.product}`).join(", ")}`);
    };
    for (const [now, what] of script) {
      while (due !== null && due <= now) at(due, last);
      at(now, what);
    }
    while (due !== null) at(due, last);
    return said;
  }

  it("say a card once, however often it is told", () => {
    expect(
      run([
        [0, seen()],
        [250, seen()],
        [60_000, seen()],
      ]),
    ).toEqual(["0 shown apple"]);
  });

  it("come five seconds apart, and tell then only of what is there", () => {
    expect(
      run([
        [0, seen()],
        [1_000, seen({ product: "pear" })],
        [2_000, seen({ product: "fig" })],
      ]),
    ).toEqual(["0 shown apple", `${QUIET} shown fig`]);
  });

  it("tell of several things in one", () => {
    expect(run([[0, seen({ out: true })]])).toEqual(["0 shown apple, out apple"]);
    expect(
      run([
        [0, seen()],
        [1_000, seen({ ending: "s1" })],
        [2_000, seen({ ending: "s1", out: true })],
      ]),
    ).toEqual(["0 shown apple", "5000 ending apple, out apple"]);
  });

  it("pass over what was undone meanwhile", () => {
    expect(
      run([
        [0, seen()],
        [1_000, seen({ out: true })],
        [2_000, seen()],
      ]),
    ).toEqual(["0 shown apple"]);
    expect(
      run([
        [0, seen()],
        [1_000, seen({ product: "pear" })],
        [2_000, seen({ product: null })],
      ]),
    ).toEqual(["0 shown apple"]);
  });

  it("say once of each sale that it ends soon", () => {
    expect(
      run([
        [0, seen()],
        [10_000, seen({ ending: "s1" })],
        [20_000, seen({ product: null })],
        [30_000, seen({ ending: "s1" })],
        [40_000, seen({ ending: "s2" })],
      ]),
    ).toEqual(["0 shown apple", "10000 ending apple", "30000 shown apple", "40000 ending apple"]);
  });
});
