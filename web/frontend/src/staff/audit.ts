import type { components } from "../api/schema.d.ts";
import type { Language } from "../messages/index.ts";
import { catalogues, type StaffKey } from "../messages/staff/index.ts";

export type AuditLine = components["schemas"]["AuditLine"];

export type When = "all" | "today" | "week" | "month" | "days";
export const WHENS: readonly When[] = ["today", "week", "month", "all", "days"];

/** Which lines are wanted; what is empty holds for all. */
export interface Wanted {
  readonly actor: string;
  readonly operation: string;
  readonly object: string;
  readonly when: When;
  /** Days of the reader's calendar, `2026-03-02`; with `when` `days` alone. */
  readonly from: string;
  readonly to: string;
}

export const ALL: Wanted = { actor: "", operation: "", object: "", when: "all", from: "", to: "" };

/** What is wanted, out of the page's address: others link to it. */
export function wantedOf(search: string): Wanted {
  const given = new URLSearchParams(search);
  const text = (name: string) => given.get(name)?.slice(0, 200) ?? "";
  const when = WHENS.find((each) => each === given.get("when")) ?? "all";
  const day = (name: string) => (/^\d{4}-\d{2}-\d{2}$/.test(text(name)) ? text(name) : "");
  return {
    actor: text("actor"),
    operation: text("operation"),
    object: text("object"),
    when,
    from: day("from"),
    to: day("to"),
  };
}

/** The page's address for it: what holds for all is left out. */
export function searchOf(wanted: Wanted): string {
  const given = Object.entries(wanted).filter(([name, value]) => value !== ALL[name as keyof Wanted]);
  const query = new URLSearchParams(given).toString();
  return query === "" ? "" : `?${query}`;
}

/** The query of the API. `now`: Unix milliseconds; days begin at the reader's midnight. */
export function queryOf(wanted: Wanted, now: number): Readonly<Record<string, string>> {
  const { since, until } = spanOf(wanted, now);
  const given = {
    actor: wanted.actor,
    operation: wanted.operation,
    object: wanted.object,
    since: since === null ? "" : new Date(since).toISOString(),
    until: until === null ? "" : new Date(until).toISOString(),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ""));
}

function midnight(at: number, days = 0): number {
  const day = new Date(at);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days).getTime();
}

function spanOf({ when, from, to }: Wanted, now: number): { since: number | null; until: number | null } {
  const day = (text: string, days = 0) => {
    const [year = 0, month = 1, date = 1] = text.split("-").map(Number);
    return text === "" ? null : new Date(year, month - 1, date + days).getTime();
  };
  switch (when) {
    case "all":
      return { since: null, until: null };
    case "today":
      return { since: midnight(now), until: null };
    case "week":
      return { since: midnight(now, -6), until: null };
    case "month":
      return { since: midnight(now, -29), until: null };
    case "days":
      return { since: day(from), until: day(to, 1) };
  }
}

/** A key of the catalogue that is made of what the server says; null where we have no words for it. */
export function keyed(prefix: "audit.op" | "audit.field" | "who.role", name: string): StaffKey | null {
  const key = `${prefix}.${name}`;
  return key in catalogues.ko ? (key as StaffKey) : null;
}

/** What can be asked for, in the groups and the order of the catalogue. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  channels: [
    "create_channel",
    "put_channel_settings",
    "delete_channel",
    "start_channel",
    "stop_channel",
    "put_program",
  ],
  feeds: ["create_feed", "patch_feed", "delete_feed", "rotate_feed_key"],
  shows: [
    "create_show",
    "patch_show",
    "delete_show",
    "start_show",
    "stop_show",
    "create_mark",
    "export_show",
    "put_lineup",
    "show_card",
    "hide_card",
    "pin_card",
    "unpin_card",
    "start_sale",
    "end_sale",
    "sync_shop",
  ],
  recordings: ["delete_recording", "create_iso", "stop_iso", "delete_iso"],
  users: [
    "create_user",
    "patch_user",
    "delete_user",
    "set_user_password",
    "end_user_sessions",
    "gachi user add",
    "gachi user password",
  ],
  tokens: ["create_token", "revoke_token"],
  session: ["open_session", "close_session", "change_password"],
};

type Words = (key: StaffKey) => string;

/** Who did it, in words. */
export function actorOf(
  line: AuditLine,
  words: (key: StaffKey, values?: Record<string, string>) => string,
): string {
  if (line.kind === "nobody") return words("audit.by.nobody");
  if (line.kind === "command") return words("audit.by.command");
  if (line.kind === "settings") return words("audit.by.settings");
  const role = words(keyed("who.role", line.role ?? "") ?? "who.role.viewer");
  return words(line.kind === "token" ? "audit.by.token" : "audit.by", {
    name: line.name || line.actor,
    role,
  });
}

const HIDDEN = "…";

/** What was given, field by field: `[아이디, kim]`. A value that is kept secret is null. */
export function changesOf(line: AuditLine, words: Words): readonly (readonly [string, string | null])[] {
  return Object.entries(line.changed).map(([path, value]) => {
    const name = path.replace(/^settings\./, "");
    const key = keyed("audit.field", name);
    return [key === null ? name : words(key), told(name, value, words)];
  });
}

function told(name: string, value: unknown, words: Words): string | null {
  if (value === HIDDEN) return null;
  if (value === null) return words("audit.null");
  if (value === true) return words("audit.yes");
  if (value === false) return words("audit.no");
  const text = String(value);
  if (name === "role") return words(keyed("who.role", text) ?? "who.role.viewer");
  // A list is told by its length: `3 …`.
  return text.endsWith(` ${HIDDEN}`) ? text.slice(0, -2) : text;
}

/** How it ended: refused with a kind of problem, unknown, or well (null). */
export function endOf(line: AuditLine): "refused" | "unknown" | null {
  if (line.status === null) return "unknown";
  return line.status >= 400 ? "refused" : null;
}

/** The lines by day, in the order they come. */
export function daysOf(
  lines: readonly AuditLine[],
  language: Language,
): readonly (readonly [string, readonly AuditLine[]])[] {
  const told = new Intl.DateTimeFormat(language, { dateStyle: "full" });
  const days = new Map<string, AuditLine[]>();
  for (const line of lines) {
    const day = told.format(Date.parse(line.at));
    const there = days.get(day);
    if (there) there.push(line);
    else days.set(day, [line]);
  }
  return [...days];
}
