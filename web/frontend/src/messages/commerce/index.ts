import { en } from "./en.ts";
import { ko } from "./ko.ts";

export type CommerceKey = keyof typeof ko;
export const catalogues = { ko, en } as const;
