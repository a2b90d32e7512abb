// Tells somebody by signed webhooks that a product, its stock or an order changed. Vendure has none of its own.
//
// POST <url>, JSON: {"id", "type", "at", "products": [ids], "order"?: {code, from, to, total, click, lines}}
//   x-gachi-event      the same id again: who has seen it needs not read on
//   x-gachi-timestamp  Unix seconds
//   x-gachi-signature  sha256=<hex HMAC-SHA256 of "<timestamp>.<raw body>">

import { createHmac, randomUUID } from "node:crypto";
import {
  EventBus,
  OrderStateTransitionEvent,
  ProductEvent,
  ProductVariant,
  ProductVariantEvent,
  StockMovementEvent,
  TransactionalConnection,
} from "@vendure/core";

const TIMEOUT = 5_000;
const PAUSES = [500, 2_000, 8_000];
// Milliseconds before each further try.
const QUEUE_LIMIT = 1000;
const AT_ONCE = 4;

export class Webhooks {
  dropped = 0;
  failed = 0;
  #queue = [];
  #sending = 0;

  constructor({ url, secret, log }) {
    Object.assign(this, { url, secret, log });
  }

  // Listen to the shop; `turns` is whose turn it is on the database.
  watch(app, turns) {
    const bus = app.get(EventBus);
    const rows = app.get(TransactionalConnection).rawConnection.getRepository(ProductVariant);
    const productsOf = (variants) =>
      turns.run(async () => {
        const found = await Promise.all(
          variants.map((id) => rows.findOne({ where: { id }, select: { id: true, productId: true } })),
        );
        return found.filter(Boolean).map((each) => each.productId);
      });
    const on = (kind, read) =>
      bus.ofType(kind).subscribe((event) => {
        Promise.resolve(read(event))
          .then((told) => this.tell({ type: kind.name, ...told }))
          .catch((error) => this.log("a webhook could not be written", { error: String(error) }));
      });
    on(ProductEvent, (event) => ({ products: [event.entity.id] }));
    on(ProductVariantEvent, async (event) => ({
      products: await productsOf(event.entity.map((each) => each.id)),
    }));
    on(StockMovementEvent, async (event) => ({
      products: await productsOf(event.stockMovements.map((each) => each.productVariant.id)),
    }));
    on(OrderStateTransitionEvent, async ({ order, fromState, toState }) => ({
      products: await productsOf(order.lines.map((line) => line.productVariantId ?? line.productVariant.id)),
      order: {
        code: order.code,
        from: fromState,
        to: toState,
        total: order.totalWithTax,
        click: order.customFields?.lcClick ?? "",
        lines: order.lines.map((line) => ({
          variant: String(line.productVariantId ?? line.productVariant.id),
          quantity: line.quantity,
          total: line.proratedLinePriceWithTax,
        })),
      },
    }));
  }

  tell({ type, products, ...more }) {
    // An order that is still empty concerns no product.
    if (!this.url || products.length === 0) return;
    const told = {
      id: randomUUID(),
      type,
      at: new Date().toISOString(),
      products: [...new Set(products.map(String))],
      ...more,
    };
    if (this.#queue.length >= QUEUE_LIMIT) {
      this.#queue.shift();
      this.dropped += 1;
    }
    this.#queue.push(told);
    this.#send();
  }

  async #send() {
    if (this.#sending >= AT_ONCE) return;
    this.#sending += 1;
    while (this.#queue.length) await this.#deliver(this.#queue.shift());
    this.#sending -= 1;
  }

  async #deliver(told) {
    const body = JSON.stringify(told);
    for (let attempt = 0; ; attempt += 1) {
      // Signed anew for each try: who is told late must not take it for a replay.
      const timestamp = Math.floor(Date.now() / 1000);
      const signature = createHmac("sha256", this.secret).update(`${timestamp}.${body}`).digest("hex");
      try {
        const answer = await fetch(this.url, {
          method: "POST",
          body,
          redirect: "error",
          signal: AbortSignal.timeout(TIMEOUT),
          headers: {
            "content-type": "application/json",
            "x-gachi-event": told.id,
            "x-gachi-timestamp": String(timestamp),
            "x-gachi-signature": `sha256=${signature}`,
          },
        });
        await answer.arrayBuffer();
        if (answer.ok) return;
        throw new Error(`status ${answer.status}`);
      } catch (error) {
        if (attempt >= PAUSES.length) {
          this.failed += 1;
          this.log("a webhook was given up", { type: told.type, error: String(error) });
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSES[attempt]));
      }
    }
  }
}
