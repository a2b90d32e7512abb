// The demo shop: Vendure (GPL-3.0-or-later) with a catalog of small sellers, a storefront, and webhooks. Its own process; it is
// spoken to by HTTP alone. What it needs is in its environment:
//
//   SHOP_PORT      port on SHOP_HOST
//   SHOP_HOST      address, loopback where none is given
//   SHOP_URL       where browsers reach it, as http://localhost:3900
//   SHOP_SECRETS   file: {"admin_password", "username", "password", "webhook_secret"}; the middle two are who may read the catalog
//   SHOP_SEED      file: sellers and products
//   SHOP_DATABASE  file that it is kept in
//   SHOP_WEBHOOK   URL that is told of changes; none where empty

import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import {
  bootstrap,
  DefaultLogger,
  DefaultMoneyStrategy,
  LanguageCode,
  LogLevel,
  TransactionalConnection,
} from "@vendure/core";
import { fill } from "./catalog.mjs";
import { demoPay } from "./payment.mjs";
import { store } from "./store.mjs";
import { Turns } from "./turns.mjs";
import { Webhooks } from "./webhooks.mjs";

process.env.VENDURE_DISABLE_TELEMETRY = "true";

const SAVE_EVERY = 2_000;
// Milliseconds: what an end without warning loses at most.

const env = process.env;
const host = env.SHOP_HOST || "127.0.0.1";
const port = Number(env.SHOP_PORT);
const url = env.SHOP_URL || `http://localhost:${port}`;
const secrets = JSON.parse(await readFile(env.SHOP_SECRETS, "utf8"));
const seed = JSON.parse(await readFile(env.SHOP_SEED, "utf8"));
const isNew = !existsSync(env.SHOP_DATABASE);

function log(event, more = {}) {
  console.log(JSON.stringify({ event, ...more }));
}

class Won extends DefaultMoneyStrategy {
  precision = 0; // KRW has no minor unit
}

// Pictures are drawn when they are asked for: nothing is stored, and nothing may be uploaded.
class DrawnPictures {
  toAbsoluteUrl = (_request, identifier) => `${url}/store/${identifier}`;
}

// The storefront tells how many are left, not just whether.
class Remaining {
  getStockLevel = (_context, _variant, saleable) => String(Math.max(0, saleable));
}

const text = (name) => ({ name, type: "string", nullable: true, length: 500 });
const turns = new Turns();
const webhooks = new Webhooks({ url: env.SHOP_WEBHOOK, secret: secrets.webhook_secret, log });
const state = { ready: false };

const app = await bootstrap({
  logger: new DefaultLogger({ level: LogLevel.Warn, timestamp: false }),
  defaultLanguageCode: LanguageCode.ko,
  apiOptions: {
    hostname: host,
    port,
    adminListQueryLimit: 200,
    cors: false,
    csrfPrevention: true,
    middleware: [
      { route: "/admin-api", handler: turns.handler, beforeListen: true },
      { route: "/shop-api", handler: turns.handler, beforeListen: true },
      { route: "/store", handler: store({ seed, state, webhooks }), beforeListen: true },
    ],
  },
  authOptions: {
    // No cookies: they know no ports, and the product's own would be sent here as well.
    tokenMethod: ["bearer", "api-key"],
    superadminCredentials: { identifier: "superadmin", password: secrets.admin_password },
  },
  dbConnectionOptions: {
    type: "sqljs",
    synchronize: true,
    autoSave: false,
    ...(isNew ? {} : { location: env.SHOP_DATABASE }),
  },
  entityOptions: { moneyStrategy: new Won() },
  assetOptions: { assetStorageStrategy: new DrawnPictures() },
  catalogOptions: { stockDisplayStrategy: new Remaining() },
  paymentOptions: { paymentMethodHandlers: [demoPay] },
  customFields: {
    // What Korean e-commerce law wants beside a product, and how it can be paid.
    Product: [
      ...[
        "seller",
        "representative",
        "address",
        "phone",
        "businessNumber",
        "mailOrderNumber",
        "shipping",
        "withdrawal",
        "category",
      ].map(text),
      { name: "onnuri", type: "boolean", defaultValue: false },
      { name: "naverPay", type: "boolean", defaultValue: false },
    ],
    ProductVariant: [{ name: "listPrice", type: "int", defaultValue: 0 }],
    // The click that led to an order, as our links carry it.
    Order: [text("lcClick")],
  },
});

const connection = app.get(TransactionalConnection).rawConnection;

async function save() {
  if (!turns.changed) return;
  turns.changed = false;
  const bytes = await turns.run(async () => {
    const copy = connection.driver.export();
    // Exporting opens the database anew, without what was set on it.
    await connection.query("PRAGMA foreign_keys = ON");
    return copy;
  });
  await writeFile(`${env.SHOP_DATABASE}.part`, bytes);
  await rename(`${env.SHOP_DATABASE}.part`, env.SHOP_DATABASE);
}

// It is saved when it is filled: one that was left half filled is new the next time.
if (isNew) await fill({ app, seed, secrets, api: `http://${host}:${port}/admin-api`, log });
await save();
webhooks.watch(app, turns);
state.ready = true;
log("the shop is open", { store: `${url}/store` });

let saving = Promise.resolve();
const timer = setInterval(() => {
  saving = saving.then(save).catch((error) => log("the shop could not be saved", { error: String(error) }));
}, SAVE_EVERY);

// Not Nest's own listeners: they would end the process before it is saved.
process.removeAllListeners("SIGTERM");
process.once("SIGTERM", async () => {
  clearInterval(timer);
  await saving;
  await save().catch((error) => log("the shop could not be saved", { error: String(error) }));
  process.exit(0);
});
