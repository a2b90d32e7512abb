import { untrack } from "svelte";
import { ApiError, get, send } from "../api/client.ts";
import { Polled } from "../api/poll.svelte.ts";
import { cardsOf, endSale, putLineup, startSale, turn } from "../commerce/api.ts";
import type { Card, Cards, LineupItem, SaleStart } from "../commerce/types.ts";
import { h } from "../messages/host/say.svelte.ts";
import { language } from "../messages/language.svelte.ts";
import { live } from "../realtime/live.svelte.ts";
import { deeds } from "../staff/undo.svelte.ts";
import { timeOfDay } from "../time/words.ts";
import { itemsOf, lastShown, nextCard, onPicture } from "./run.ts";

/** How the page hears of the show: `live` of each change, `slow` every few seconds, `lost` not at all just now. */
export type Line = "waiting" | "live" | "slow" | "lost";

/** One show in its host's hand. Make it while the component is made. Everything that is done can be taken back. */
export class Desk {
  /** All that is known of the show's cards; null while nothing is. */
  cards = $state.raw<Cards | null>(null);
  /** The host's own choice of what comes next. */
  chosen = $state<string | null>(null);
  /** Why the show was not started. */
  refused = $state.raw<ApiError | null>(null);
  readonly id: string;
  readonly #shows = live("shows", { polls: false });
  readonly #channels = live("channels", { polls: false });
  readonly #told = live("cards", { polls: false });
  readonly #polled: Polled<Awaited<ReturnType<typeof asked>>>;

  constructor(id: string) {
    this.id = id;
    const told = () => this.#live && this.#fromTold !== undefined;
    this.#polled = new Polled((signal) => asked(id, signal), told);
    $effect(() => {
      const cards = this.#fromTold ?? this.#polled.value?.cards;
      // What was answered to this page meanwhile must not call back what was told before it.
      if (cards) untrack(() => this.#receive(cards));
    });
  }

  get #live(): boolean {
    return this.#shows.status === "live";
  }

  get #fromTold(): Cards | undefined {
    return this.#told.status === "live" ? this.#told.items.get(this.id) : undefined;
  }

  readonly show = $derived.by(() => {
    const told = this.#live ? this.#shows.items.get(this.id) : undefined;
    return told ?? this.#polled.value?.show;
  });
  readonly channel = $derived.by(() => {
    const known =
      this.#channels.status === "live" ? this.#channels.items.get(this.show?.channel ?? "") : undefined;
    return known ?? this.#polled.value?.channel ?? undefined;
  });
  readonly line = $derived.by<Line>(() => {
    if (this.#live) return "live";
    if (this.#polled.error !== null) return "lost";
    if (this.#polled.value === null) return "waiting";
    return "slow";
  });
  /** Why nothing is known of the show. */
  readonly error = $derived.by(() => (this.#polled.value === null ? this.#polled.error : null));

  readonly list = $derived<readonly Card[]>(this.cards?.cards ?? []);
  readonly items = $derived(itemsOf(this.list));
  readonly on = $derived(this.cards === null ? null : onPicture(this.cards));
  readonly last = $derived(this.cards === null ? null : lastShown(this.cards));
  readonly current = $derived(this.card(this.on?.product ?? null));
  readonly next = $derived(nextCard(this.list, this.on?.product ?? this.last, this.chosen));

  card(product: string | null): Card | undefined {
    return product === null ? undefined : this.list.find((card) => card.product.id === product);
  }

  busy(about: string): boolean {
    return deeds.busy.has(about) || deeds.due(about);
  }

  present(product: string): void {
    const before = this.on?.product ?? null;
    void deeds.now(
      "picture",
      h("did.show", { title: this.#title(product) }),
      () => this.#turn(product, "show"),
      () => (before === null ? this.#turn(product, "hide") : this.#turn(before, "show")),
    );
    this.chosen = null;
  }

  hide(product: string): void {
    const text = h("did.hide", { title: this.#title(product) });
    void deeds.now(
      "picture",
      text,
      () => this.#turn(product, "hide"),
      () => this.#turn(product, "show"),
    );
  }

  pin(product: string, wanted: boolean): void {
    const before = this.list.find((card) => card.state === "pinned" && card.product.id !== product);
    const back = () => {
      if (!wanted) return this.#turn(product, "pin");
      return before === undefined ? this.#turn(product, "unpin") : this.#turn(before.product.id, "pin");
    };
    const text = h(wanted ? "did.pin" : "did.unpin", { title: this.#title(product) });
    void deeds.now("pin", text, () => this.#turn(product, wanted ? "pin" : "unpin"), back);
  }

  /** True when it runs. */
  sell(product: string, sale: SaleStart): Promise<boolean> {
    return deeds.now(
      "sale",
      h("did.sale", { title: this.#title(product) }),
      async () => this.#receive(await startSale(this.id, product, sale)),
      () => this.#endSale(product),
    );
  }

  /** Its end cannot be taken back: it waits some seconds for that. */
  endSale(product: string): void {
    deeds.later("sale", h("due.sale", { title: this.#title(product) }), () => this.#endSale(product));
  }

  mark(): void {
    const said = (entry: unknown) =>
      h("did.mark", { clock: timeOfDay(Date.parse((entry as { time: string }).time), language()) });
    void deeds.now("mark", said, () =>
      send(
        "post",
        "/api/v1/shows/{show}/marks",
        { label: "" },
        { path: { show: this.id }, language: language() },
      ),
    );
  }

  /** Puts a changed lineup at once. */
  put(items: readonly LineupItem[], text: string): void {
    const before = this.items;
    if (items === before || this.cards === null) return;
    void deeds.now(
      "lineup",
      text,
      () => this.#put(items),
      () => this.#put(before),
    );
  }

  async start(): Promise<void> {
    this.refused = null;
    const said = (started: unknown) => (started === true ? h("did.start") : "");
    await deeds.now("start", said, async () => {
      try {
        await send("post", "/api/v1/shows/{show}/start", undefined, {
          path: { show: this.id },
          language: language(),
        });
      } catch (error) {
        // What is missing is told on the page, where it stays until it is mended.
        if (!(error instanceof ApiError) || error.fault !== "refused" || error.status === 401) throw error;
        this.refused = error;
        return false;
      }
      this.#polled.refresh();
      return true;
    });
  }

  refresh(): void {
    this.#polled.refresh();
  }

  #title(product: string): string {
    return this.card(product)?.product.title ?? product;
  }

  async #turn(product: string, what: Parameters<typeof turn>[2]): Promise<void> {
    this.#receive(await turn(this.id, product, what));
  }

  async #endSale(product: string): Promise<void> {
    this.#receive(await endSale(this.id, product));
  }

  async #put(items: readonly LineupItem[]): Promise<void> {
    try {
      this.#receive(await putLineup(this.id, this.cards?.version ?? 0, items));
    } catch (error) {
      this.#polled.refresh(); // somebody else may have been quicker
      throw error;
    }
  }

  /** An answer that was under way while the lineup changed is older than what is known. */
  #receive(cards: Cards): void {
    if (this.cards === null || cards.version >= this.cards.version) this.cards = cards;
  }
}

async function asked(id: string, signal: AbortSignal) {
  const options = { signal, language: language() };
  const [show, cards] = await Promise.all([
    get("/api/v1/shows/{show}", { ...options, path: { show: id } }),
    cardsOf(id, signal),
  ]);
  const channel = await get("/api/v1/channels/{channel}", {
    ...options,
    path: { channel: show.channel },
  }).catch(() => null);
  return { show, cards, channel };
}
