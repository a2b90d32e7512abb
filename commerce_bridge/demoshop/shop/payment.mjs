// A payment that moves no money, and that is refused where the goods are gone.
//
// Vendure looks at the stock when an order begins to be paid and allocates it when it is paid: of eight buyers at the same till
// with five pieces left, all eight would get theirs. Here the till looks once more, in the same turn that allocates.

import { randomUUID } from "node:crypto";
import { LanguageCode, PaymentMethodHandler, ProductVariantService } from "@vendure/core";

let variants;

export const demoPay = new PaymentMethodHandler({
  code: "demo-pay",
  description: [{ languageCode: LanguageCode.ko, value: "시연용 결제" }],
  args: {},
  init: (injector) => {
    variants = injector.get(ProductVariantService);
  },
  createPayment: async (context, order, amount) => {
    for (const line of order.lines) {
      if ((await variants.getSaleableStockLevel(context, line.productVariant)) < line.quantity) {
        return { amount, state: "Declined", errorMessage: "sold out", metadata: {} };
      }
    }
    return { amount, state: "Settled", transactionId: randomUUID(), metadata: {} };
  },
  settlePayment: () => ({ success: true }),
});
