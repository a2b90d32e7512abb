// The storefront: lists products, shows one, and orders it as a guest by the shop API.

import { MESSAGES } from "/store/messages.js";

const KEPT = /^(lc_(click|show|card|ch)|utm_[a-z]+|lang)$/;
// Query parameters that go along from page to page: who led the buyer here.
const TIMEOUT = 15_000;

const query = new URLSearchParams(location.search);
const kept = new URLSearchParams([...query].filter(([name]) => KEPT.test(name)));
const language = query.get("lang") === "en" ? "en" : "ko";
const say = MESSAGES[language];
const main = document.getElementById("main");
let token = "";
// Of the shop's session: in memory, so that closing the page forgets it.

const PRODUCT = `id name slug description featuredAsset { preview }
  optionGroups { name }
  customFields { seller representative address phone businessNumber mailOrderNumber shipping withdrawal onnuri naverPay }
  variants { id name priceWithTax stockLevel options { name } customFields { listPrice } }`;
const RESULT = "__typename ... on ErrorResult { errorCode message } ... on Order { code state totalWithTax }";
const SOLD_OUT = new Set([
  "INSUFFICIENT_STOCK_ERROR",
  "ORDER_STATE_TRANSITION_ERROR",
  "PAYMENT_DECLINED_ERROR",
]);
// What the shop answers to who was too late, in the cart, on the way to the till, and at it.

async function ask(text, variables = {}) {
  const answer = await fetch("/shop-api", {
    method: "POST",
    signal: AbortSignal.timeout(TIMEOUT),
    headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query: text, variables }),
  });
  token = answer.headers.get("vendure-auth-token") ?? token;
  const { data, errors } = await answer.json();
  if (errors) throw new Error(errors[0].message);
  return data;
}

// One step of an order; throws what the shop refuses, with its code.
async function step(name, types, values) {
  const declared = Object.entries(types).map(([key, type]) => `$${key}: ${type}`);
  const given = Object.keys(types).map((key) => `${key}: $${key}`);
  const head = declared.length ? `(${declared.join(", ")})` : "";
  const data = await ask(
    `mutation ${head} { ${name}${given.length ? `(${given.join(", ")})` : ""} { ${RESULT} } }`,
    values,
  );
  const result = data[name];
  if (result?.errorCode) throw Object.assign(new Error(result.message), result);
  return result;
}

async function order({ variant, quantity, name, phone, address }) {
  token = "";
  // The shop puts what it has in the cart even where it refuses: a new session for each try leaves nothing behind.
  await step(
    "addItemToOrder",
    { productVariantId: "ID!", quantity: "Int!" },
    { productVariantId: variant, quantity },
  );
  const click = query.get("lc_click")?.slice(0, 500);
  if (click)
    await step(
      "setOrderCustomFields",
      { input: "UpdateOrderInput!" },
      { input: { customFields: { lcClick: click } } },
    );
  const guest = {
    firstName: name,
    lastName: "",
    phoneNumber: phone,
    emailAddress: `${crypto.randomUUID()}@guest.invalid`,
  };
  await step("setCustomerForOrder", { input: "CreateCustomerInput!" }, { input: guest });
  const home = { fullName: name, streetLine1: address, phoneNumber: phone, countryCode: "KR" };
  await step("setOrderShippingAddress", { input: "CreateAddressInput!" }, { input: home });
  const { eligibleShippingMethods: ways } = await ask("{ eligibleShippingMethods { id } }");
  await step("setOrderShippingMethod", { shippingMethodId: "[ID!]!" }, { shippingMethodId: [ways[0].id] });
  await step("transitionOrderToState", { state: "String!" }, { state: "ArrangingPayment" });
  return step(
    "addPaymentToOrder",
    { input: "PaymentInput!" },
    { input: { method: "demo-pay", metadata: {} } },
  );
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const address = (path) => (kept.size ? `${path}?${kept}` : path);
const left = (variant) => Number(variant.stockLevel);
const total = (product) => product.variants.reduce((sum, each) => sum + left(each), 0);

// The variant whose price stands for the product: the cheapest that can be bought.
function lead(product) {
  const able = product.variants.filter(left);
  return (able.length ? able : product.variants).reduce((best, each) =>
    each.priceWithTax < best.priceWithTax ? each : best,
  );
}

// The shop names it by the address that is told to others; here it comes from where the page did.
const drawn = (product) => new URL(product.featuredAsset.preview).pathname;

function price(variant) {
  const { listPrice } = variant.customFields;
  const now = variant.priceWithTax;
  if (listPrice <= now) return make("p", { className: "price" }, say.won(now));
  return make(
    "p",
    { className: "price" },
    make("span", { className: "off" }, `${Math.floor(100 - (100 * now) / listPrice)}%`),
    say.won(now),
    make("s", { className: "was" }, say.won(listPrice)),
  );
}

function stock(count) {
  return make("span", { className: "left" }, count > 0 ? say.left(count) : say.soldOut);
}

function tags({ customFields }) {
  return make(
    "div",
    {},
    ...["onnuri", "naverPay"]
      .filter((flag) => customFields[flag])
      .map((flag) => make("span", { className: "tag" }, say[flag])),
  );
}

function list(products) {
  document.title = say.shop;
  const items = products.map((product) =>
    make(
      "li",
      {},
      make(
        "a",
        { href: address(`/store/p/${product.slug}`) },
        make("img", {
          src: drawn(product),
          alt: "",
          loading: "lazy",
          width: 400,
          height: 400,
        }),
        make("strong", {}, product.name),
        price(lead(product)),
        stock(total(product)),
        tags(product),
      ),
    ),
  );
  main.replaceChildren(make("h1", {}, say.shop), make("ul", { className: "list" }, ...items));
}

function choices(product) {
  if (product.variants.length === 1)
    return make("input", { type: "hidden", name: "variant", value: product.variants[0].id });
  const first = lead(product).id;
  return make(
    "fieldset",
    {},
    make("legend", {}, say.choose(product.optionGroups[0]?.name)),
    ...product.variants.map((variant) =>
      make(
        "label",
        { className: "choice" },
        make("input", {
          type: "radio",
          name: "variant",
          value: variant.id,
          required: true,
          checked: variant.id === first && left(variant) > 0,
          disabled: left(variant) < 1,
        }),
        make("span", {}, variant.options[0]?.name ?? variant.name, " ", stock(left(variant))),
        say.won(variant.priceWithTax),
      ),
    ),
  );
}

function field(name, type, value, more = {}) {
  return make(
    "label",
    {},
    say[name],
    make("input", { type, name, value, required: true, maxLength: 100, autocomplete: "off", ...more }),
  );
}

function show(product, said = "", bad = false) {
  document.title = `${product.name} - ${say.shop}`;
  const open = total(product) > 0;
  const form = make(
    "form",
    {},
    choices(product),
    field("quantity", "number", "1", { min: 1, max: 99, inputMode: "numeric" }),
    field("name", "text", say.sample.name),
    field("phone", "tel", say.sample.phone),
    field("address", "text", say.sample.address),
    make("button", { type: "submit", disabled: !open }, open ? say.order : say.soldOut),
    make("p", { id: "said", className: bad ? "bad" : "", role: "status" }, said),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(product, form);
  });
  const { customFields: told } = product;
  const legal = Object.entries(say.legal).flatMap(([key, label]) =>
    told[key] ? [make("dt", {}, label), make("dd", {}, told[key])] : [],
  );
  main.replaceChildren(
    make(
      "article",
      { className: "product" },
      make("img", { src: drawn(product), alt: product.name, width: 400, height: 400 }),
      make(
        "div",
        {},
        make("h1", {}, product.name),
        price(lead(product)),
        stock(total(product)),
        tags(product),
        make("p", {}, product.description),
        form,
      ),
    ),
    make("h2", {}, say.about),
    make("dl", {}, ...legal),
    make("p", {}, say.intermediary),
  );
}

async function submit(product, form) {
  const values = Object.fromEntries(new FormData(form));
  const status = form.querySelector("#said");
  form.querySelector("button").disabled = true;
  status.className = "";
  status.textContent = say.ordering;
  let done;
  let late = false;
  try {
    done = await order({ ...values, quantity: Number(values.quantity) });
  } catch (error) {
    late = SOLD_OUT.has(error.errorCode);
    if (!late) console.warn(error);
  }
  // What is left now, in any case.
  const fresh = (await one(product.slug).catch(() => null)) ?? product;
  const has = fresh.variants.find((each) => each.id === values.variant);
  const said = done
    ? say.ordered(done.code, say.won(done.totalWithTax))
    : late && has
      ? say.few(left(has))
      : say.failed;
  show(fresh, said, !done);
}

async function one(slug) {
  return (await ask(`query ($slug: String!) { product(slug: $slug) { ${PRODUCT} } }`, { slug })).product;
}

async function begin() {
  document.documentElement.lang = language;
  document.getElementById("notice").textContent = say.notice;
  const home = document.getElementById("home");
  home.textContent = say.shop;
  home.href = address("/store");
  const other = document.getElementById("language");
  const there = new URLSearchParams(query);
  there.set("lang", language === "en" ? "ko" : "en");
  Object.assign(other, {
    href: `?${there}`,
    lang: language === "en" ? "ko" : "en",
    textContent: language === "en" ? "한국어" : "English",
  });
  try {
    const slug = /^\/store\/p\/([^/]+)/.exec(location.pathname)?.[1];
    if (slug) {
      const product = await one(slug);
      if (product) show(product);
      else main.replaceChildren(make("p", {}, say.gone));
    } else {
      list(
        (await ask(`{ products(options: { take: 100, sort: { id: ASC } }) { items { ${PRODUCT} } } }`))
          .products.items,
      );
    }
  } catch (error) {
    console.warn(error);
    main.replaceChildren(make("p", {}, say.unreachable));
  }
}

begin();
