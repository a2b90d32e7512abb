// Fills an empty shop from the seed, by the admin API that any shop's owner has.

import { Asset, AssetTranslation, ChannelService, TransactionalConnection } from "@vendure/core";
import { picture } from "./pictures.mjs";

const KOREAN = "ko";
const VAT = 10;
const SHIPPING = 3000;

// Returns whether there was anything to do.
export async function fill({ app, seed, secrets, api, log }) {
  const admin = await Admin.login(api, "superadmin", secrets.admin_password);
  const { products } = await admin.ask("{ products(options: { take: 1 }) { totalItems } }");
  if (products.totalItems > 0) return false;
  log("the shop is empty: it is being filled", { products: seed.products.length });
  await admin.ask("mutation { updateGlobalSettings(input: { availableLanguages: [ko, en], trackInventory: true }) { __typename } }");
  const taxCategoryId = await rules(admin);
  await bridge(admin, secrets);
  const sellers = new Map(seed.sellers.map((each) => [each.id, each]));
  for (const product of seed.products) await add(app, admin, product, sellers.get(product.seller), taxCategoryId);
  log("the shop is filled");
  return true;
}

class Admin {
  static async login(api, username, password) {
    const admin = new Admin();
    admin.api = api;
    const { login } = await admin.ask(
      "mutation ($username: String!, $password: String!) { login(username: $username, password: $password) { __typename } }",
      { username, password },
    );
    if (login.__typename !== "CurrentUser") throw new Error(`the admin API refuses ${username}: ${login.__typename}`);
    return admin;
  }

  async ask(query, variables = {}) {
    const answer = await fetch(this.api, {
      method: "POST",
      headers: { "content-type": "application/json", ...(this.token ? { authorization: `Bearer ${this.token}` } : {}) },
      body: JSON.stringify({ query, variables }),
    });
    this.token = answer.headers.get("vendure-auth-token") ?? this.token;
    const { data, errors } = await answer.json();
    if (errors) throw new Error(`${errors[0].message} (${query.trim().slice(0, 60)})`);
    return data;
  }

  async make(what, input) {
    const data = await this.ask(
      `mutation ($input: ${what[0].toUpperCase()}${what.slice(1)}Input!) { ${what}(input: $input) { ... on Node { id } __typename } }`,
      { input },
    );
    if (!data[what].id) throw new Error(`${what}: ${data[what].__typename}`);
    return data[what].id;
  }
}

const inKorean = (name, more = {}) => [{ languageCode: KOREAN, name, ...more }];

// Country, taxes, shipping, payment: what an order needs to come to its end. Returns the id of the tax category.
async function rules(admin) {
  const country = await admin.make("createCountry", { code: "KR", enabled: true, translations: inKorean("대한민국") });
  const zone = await admin.make("createZone", { name: "대한민국", memberIds: [country] });
  const category = await admin.make("createTaxCategory", { name: "과세", isDefault: true });
  await admin.make("createTaxRate", { name: "부가가치세", enabled: true, value: VAT, categoryId: category, zoneId: zone });
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
    checker: { code: "default-shipping-eligibility-checker", arguments: [{ name: "orderMinimum", value: "0" }] },
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
  const role = await admin.make("createRole", { code: "bridge", description: "Gachi Live", permissions: ["ReadCatalog"] });
  await admin.make("createAdministrator", {
    firstName: "Gachi",
    lastName: "Live",
    emailAddress: secrets.username,
    password: secrets.password,
    roleIds: [role],
  });
}

async function add(app, admin, product, seller, taxCategoryId) {
  const asset = await draw(app, product);
  const { id: _, business_number: businessNumber, mail_order_number: mailOrderNumber, ...identity } = seller;
  const productId = await admin.make("createProduct", {
    translations: inKorean(product.title, { slug: product.slug, description: product.description }),
    featuredAssetId: asset,
    assetIds: [asset],
    customFields: {
      ...identity,
      businessNumber,
      mailOrderNumber,
      category: product.category,
      onnuri: product.flags.includes("onnuri"),
      naverPay: product.flags.includes("naver_pay"),
    },
  });
  const options = product.option ? await choices(admin, productId, product) : [];
  const { createProductVariants: made } = await admin.ask(
    "mutation ($input: [CreateProductVariantInput!]!) { createProductVariants(input: $input) { id } }",
    {
      input: product.variants.map((variant, index) => ({
        productId,
        sku: variant.sku,
        price: variant.price,
        taxCategoryId,
        stockOnHand: variant.stock,
        trackInventory: "TRUE",
        optionIds: options.length ? [options[index]] : [],
        translations: inKorean(variant.title || product.title),
        customFields: { listPrice: variant.list_price },
      })),
    },
  );
  if (made.length !== product.variants.length) throw new Error(`${product.slug}: not all variants were made`);
}

// The ids of its options, in the order of its variants.
async function choices(admin, productId, product) {
  const group = await admin.ask(
    "mutation ($input: CreateProductOptionGroupInput!) { createProductOptionGroup(input: $input) { id options { id code } } }",
    {
      input: {
        code: `${product.slug}-option`,
        translations: inKorean(product.option),
        options: product.variants.map((variant) => ({ code: variant.sku.toLowerCase(), translations: inKorean(variant.title) })),
      },
    },
  );
  const { id, options } = group.createProductOptionGroup;
  await admin.ask("mutation ($p: ID!, $g: ID!) { addOptionGroupToProduct(productId: $p, optionGroupId: $g) { id } }", { p: productId, g: id });
  return product.variants.map((variant) => options.find((each) => each.code === variant.sku.toLowerCase()).id);
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
  await database.getRepository(AssetTranslation).save(new AssetTranslation({ languageCode: KOREAN, name: product.title, base: asset }));
  return String(asset.id);
}
