import { untrack } from "svelte";
import { ApiError } from "../api/client.ts";
import { Polled } from "../api/poll.svelte.ts";
import type { PlayerController } from "../player/controller.svelte.ts";
import { live } from "../realtime/live.svelte.ts";
import { cardsOf } from "./api.ts";
import { following } from "./follow.ts";
import { buyLink } from "./link.ts";
import { type Placed, placed } from "./moments.ts";
import type { Card, Cards } from "./types.ts";

/** What is open of the products: all of them, or one. */
export type View = { readonly of: "all" } | { readonly of: "one"; readonly product: string };

/** What the viewers' parts look like; they are fetched once there is something to sell. */
type Parts = typeof import("./parts.ts");

export interface StallOptions {
  /** The show is over: what is seen is its recording. */
  readonly ended?: () => boolean;
  readonly partner?: string | null;
}

/** The products beside one picture. Make it while the component is made. `show`: whose they are, once that is known. */
export class Stall {
  /** The viewer's choice; null: nothing is open. */
  view = $state.raw<View | null>(null);
  /** It is open as a sheet over the page, and not in the column beside the picture. */
  sheet = $state(false);
  /** There is a column for it. */
  column = $state(false);
  /** What is on the picture, by the player's own time. */
  moment = $state.raw<Placed | null>(null);
  parts = $state.raw<Parts | null>(null);
  /** A partner's word, for links. */
  readonly partner: string | null;
  readonly #show: () => string | undefined;
  readonly #ended: () => boolean;
  readonly #told = live("cards", { polls: false });
  readonly #polled: Polled<Cards | null>;
  #player: PlayerController | null = null;

  constructor(show: () => string | undefined, options: StallOptions = {}) {
    const { ended = () => false, partner = null } = options;
    this.#show = show;
    this.#ended = ended;
    this.partner = partner;
    const ask = async (signal: AbortSignal) => {
      const id = show();
      return id === undefined ? null : cardsOf(id, signal).catch(noneWhereMissing);
    };
    // What is told needs no asking, and a show that is over changes no more, but for what things cost today.
    this.#polled = new Polled(ask, () => this.#fromTold !== undefined || ended() || show() === undefined);
    $effect(() => {
      if (show() === undefined) return;
      // Told of by now, in most cases: a crowd must not ask for what it has.
      untrack(() => {
        if (this.#fromTold === undefined) this.#polled.refresh();
      });
    });
    $effect(() => {
      if (this.cards.length > 0 && this.parts === null) void this.#fetch();
    });
  }

  get #fromTold(): Cards | undefined {
    const show = this.#show();
    return show === undefined || this.#told.status !== "live" ? undefined : this.#told.items.get(show);
  }

  /** All that is known of the show's cards; null while nothing is. */
  readonly all = $derived.by<Cards | null>(() => {
    const asked = this.#polled.value;
    return this.#fromTold ?? (asked !== null && asked.show === this.#show() ? asked : null);
  });
  /** In the host's order. */
  readonly cards = $derived<readonly Card[]>(this.all?.cards ?? []);
  readonly line = $derived(placed(this.all?.moments ?? []));
  /** The card on the picture. */
  readonly shown = $derived.by(() => this.card(this.moment?.product ?? null));
  /** The card whose detail is open. */
  readonly one = $derived(this.view?.of === "one" ? this.card(this.view.product) : undefined);

  /** The show is over: what is seen is its recording. */
  get ended(): boolean {
    return this.#ended();
  }

  /** Programme time of the picture, Unix milliseconds. */
  get programme(): number | null {
    return this.#player?.programme ?? null;
  }

  card(product: string | null): Card | undefined {
    return product === null ? undefined : this.cards.find((card) => card.product.id === product);
  }

  /** Opens in the column where there is one to be seen, else as a sheet. */
  open(view: View): void {
    this.sheet ||= !this.column || document.fullscreenElement != null;
    this.view = view;
  }

  close(): void {
    this.view = null;
    this.sheet = false;
  }

  /** Null while none can be made. */
  link(card: Card): string | null {
    return card.buy === null ? null : buyLink(card.buy, this.programme, this.partner);
  }

  /** The viewer goes to the shop; the show goes on above it where the browser lets it. */
  leave(): void {
    void this.#player?.small();
  }

  /**
   * Follows a player's picture while the component that calls this stands. Its time comes every half second, and at once
   * after a seek; a timer in between meets the moments themselves.
   */
  follow(player: () => PlayerController): void {
    $effect(() => {
      const [line, from] = [this.line, player()];
      void [from.position, from.wanted];
      return untrack(() => following(line, from, (moment) => (this.moment = moment)));
    });
    $effect(() => {
      this.#player = player();
      return () => {
        this.#player = null;
      };
    });
  }

  async #fetch(): Promise<void> {
    try {
      this.parts = await import("./parts.ts");
    } catch {
      // A script that did not come: the next change of the cards asks again.
    }
  }
}

/** A server without a shop, or without this show, has no cards. Rejects with all other errors. */
function noneWhereMissing(error: unknown): null {
  if (error instanceof ApiError && error.status === 404) return null;
  throw error;
}
