// Fills a new shop from the seed, by the admin API that any shop's owner has.

import { Asset, AssetTranslation, ChannelService, TransactionalConnection } from "@vendure/core";
import { picture } from "./pictures.mjs";

const KOREAN = "ko";
const VAT = 10;
const SHIPPING = 3000;

export async function fill({ app, seed, secrets, api, log }) {
  const admin = await Admin.login(api, "superadmin", secrets.admin_password);
  log("the shop is new: it is being filled", { products: seed.products.length });
  await admin.ask(
    "mutation { updateGlobalSettings(input: { availableLanguages: [ko, en], trackInventory: true }) { __typename } }",
  );
  const taxCategoryId = await rules(admin);
  await bridge(admin, secrets);
  const sellers = new Map(seed.sellers.map((each) => [each.id, each]));
  if (seed.products.length) await offer(app, admin, seed.products, sellers, taxCategoryId);
  log("the shop is filled");
}

class Admin {
  static async login(api, username, password) {
    const admin = new Admin();
    admin.api = api;
    const { login } = await admin.ask(
      "mutation ($username: String!, $password: String!) { login(username: $username, password: $password) { __typename } }",
      { username, password },
    );
    if (login.__typename !== "CurrentUser")
      throw new Error(`the admin API refuses ${username}: ${login.__typename}`);
    return admin;
  }

  async ask(query, variables = {}) {
    const answer = await fetch(this.api, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
      },
      body: JSON.stringify({ query, variables }),
    });
    this.token = answer.headers.get("vendure-auth-token") ?? this.token;
    const { data, errors } = await answer.json();
    if (errors) throw new Error(`${errors[0].message} (${query.trim().slice(0, 60)})`);
    return data;
  }

  async make(what, input) {
    const [{ id }] = await this.makeAll(what, [input]);
    return id;
  }

  // Many of a kind by one request; gives what was made, in order, with `fields`.
  async makeAll(what, inputs, fields = "") {
    const type = `${what[0].toUpperCase()}${what.slice(1)}Input!`;
    const names = inputs.map((_, index) => `i${index}`);
    const data = await this.ask(
      `mutation (${names.map((name) => `$${name}: ${type}`).join(", ")}) {
        ${names.map((name) => `${name}: ${what}(input: $${name}) { __typename ... on Node { id } ${fields} }`).join("\n")}
      }`,
      Object.fromEntries(names.map((name, index) => [name, inputs[index]])),
    );
    const made = names.map((name) => data[name]);
    const refused = made.find((each) => !each.id);
    if (refused) throw new Error(`${what}: ${refused.__typename}`);
    return made;
  }
}

const inKorean = (name, more = {}) => [{ languageCode: KOREAN, name, ...more }];

// Country, taxes, shipping, payment: what an order needs to come to its end. Returns the id of the tax category.
async function rules(admin) {
  const country = await admin.make("createCountry", {
    code: "KR",
    enabled: true,
    translations: inKorean("대한민국"),
  });
  const zone = await admin.make("createZone", { name: "대한민국", memberIds: [country] });
  const category = await admin.make("createTaxCategory", { name: "과세", isDefault: true });
  await admin.make("createTaxRate", {
    name: "부가가치세",
    enabled: true,
    value: VAT,
    categoryId: category,
    zoneId: zone,
  });
  const { activeChannel } = await admin.ask("{ activeChannel { id } }");
  await admin.make("updateChannel", {
    id: activeChannel.id,
    pricesIncludeTax: true,
    defaultLanguageCode: KOREAN,
    availableLanguageCodes: [KOREAN],
    defaultCurrencyCode: "KRW",
    availableCurrencyCodes: ["KRW"],
    defaultTaxZoneId: zone,
    defaultShippingZoneId: zone,
  });
  await admin.make("createShippingMethod", {
    code: "parcel",
    fulfillmentHandler: "manual-fulfillment",
    checker: {
      code: "default-shipping-eligibility-checker",
      arguments: [{ name: "orderMinimum", value: "0" }],
    },
    calculator: {
      code: "default-shipping-calculator",
      arguments: [
        { name: "rate", value: String(SHIPPING) },
        { name: "includesTax", value: "include" },
        { name: "taxRate", value: String(VAT) },
      ],
    },
    translations: inKorean("택배", { description: "" }),
  });
  await admin.make("createPaymentMethod", {
    code: "demo-pay",
    enabled: true,
    handler: { code: "demo-pay", arguments: [] },
    translations: inKorean("시연용 결제", { description: "돈이 오가지 않습니다." }),
  });
  return category;
}

// Who only reads the catalog: the shop's owner gives no more away.
async function bridge(admin, secrets) {
  const role = await admin.make("createRole", {
    code: "bridge",
    description: "Gachi Live",
    permissions: ["ReadCatalog"],
  });
  await admin.make("createAdministrator", {
    firstName: "Gachi",
    lastName: "Live",
    emailAddress: secrets.username,
    password: secrets.password,
    roleIds: [role],
  });
}

async function offer(app, admin, products, sellers, taxCategoryId) {
  const assets = [];
  for (const product of products) assets.push(await draw(app, product));
  const made = await admin.makeAll(
    "createProduct",
    products.map((product, index) => ({
      translations: inKorean(product.title, { slug: product.slug, description: product.description }),
      featuredAssetId: assets[index],
      assetIds: [assets[index]],
      customFields: told(product, sellers.get(product.seller)),
    })),
  );
  const ids = new Map(products.map((product, index) => [product.slug, made[index].id]));
  const options = await choices(
    admin,
    products.filter((product) => product.option),
    ids,
  );
  const input = products.flatMap((product) =>
    product.variants.map((variant) => ({
      productId: ids.get(product.slug),
      sku: variant.sku,
      price: variant.price,
      taxCategoryId,
      stockOnHand: variant.stock,
      trackInventory: "TRUE",
      optionIds: options.has(variant.sku) ? [options.get(variant.sku)] : [],
      translations: inKorean(variant.title || product.title),
      customFields: { listPrice: variant.list_price },
    })),
  );
  const { createProductVariants: variants } = await admin.ask(
    "mutation ($input: [CreateProductVariantInput!]!) { createProductVariants(input: $input) { id } }",
    { input },
  );
  if (variants.filter(Boolean).length !== input.length) throw new Error("not all variants were made");
}

// Its custom fields.
function told(product, seller) {
  const { id: _, business_number: businessNumber, mail_order_number: mailOrderNumber, ...identity } = seller;
  return {
    ...identity,
    businessNumber,
    mailOrderNumber,
    category: product.category,
    onnuri: product.flags.includes("onnuri"),
    naverPay: product.flags.includes("naver_pay"),
  };
}

// What variants differ in: the id of each option, by its variant's sku.
async function choices(admin, products, ids) {
  if (!products.length) return new Map();
  const groups = await admin.makeAll(
    "createProductOptionGroup",
    products.map((product) => ({
      code: `${product.slug}-option`,
      translations: inKorean(product.option),
      options: product.variants.map((variant) => ({
        code: variant.sku.toLowerCase(),
        translations: inKorean(variant.title),
      })),
    })),
    "options { id code }",
  );
  const joined = products.map(
    (product, index) =>
      `a${index}: addOptionGroupToProduct(productId: "${ids.get(product.slug)}", optionGroupId: "${groups[index].id}") { id }`,
  );
  await admin.ask(`mutation { ${joined.join("\n")} }`);
  const byCode = new Map(groups.flatMap((group) => group.options.map((option) => [option.code, option.id])));
  return new Map(
    products.flatMap((product) =>
      product.variants.map((variant) => [variant.sku, byCode.get(variant.sku.toLowerCase())]),
    ),
  );
}

// Its picture is a row alone; the file is drawn when a browser asks for it.
async function draw(app, product) {
  const database = app.get(TransactionalConnection).rawConnection;
  const path = `pictures/${product.slug}.svg`;
  const asset = await database.getRepository(Asset).save(
    new Asset({
      type: "IMAGE",
      mimeType: "image/svg+xml",
      width: 400,
      height: 400,
      fileSize: Buffer.byteLength(picture(product.picture)),
      source: path,
      preview: path,
      channels: [await app.get(ChannelService).getDefaultChannel()],
    }),
  );
  await database
    .getRepository(AssetTranslation)
    .save(new AssetTranslation({ languageCode: KOREAN, name: product.title, base: asset }));
  return String(asset.id);
}
