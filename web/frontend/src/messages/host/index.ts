import { en } from "./en.ts";
import { ko } from "./ko.ts";

export type HostKey = keyof typeof ko;
export const catalogues = { ko, en } as const;
