import { describe, expect, it } from "vitest";
import { catalogues, type StaffKey } from "../src/messages/staff/index.ts";
import {
  ALL,
  type AuditLine,
  actorOf,
  changesOf,
  daysOf,
  endOf,
  queryOf,
  searchOf,
  wantedOf,
} from "../src/staff/audit.ts";

const words = (key: StaffKey, values: Readonly<Record<string, string | number>> = {}) =>
  [catalogues.en[key], ...Object.values(values)].join("|");

describe("the log of changes", () => {
  const line: AuditLine = {
    id: "7",
    at: "2026-03-02T11:00:00.000000Z",
    kind: "user",
    actor: "u1",
    name: "Ann",
    role: "admin",
    user: "u1",
    address: "192.0.2.7",
    method: "PATCH",
    operation: "patch_user",
    object: "u2",
    status: 200,
    problem: null,
    changed: {},
  };

  it("is asked for by the page's address, and the address says no more than it must", () => {
    const wanted = wantedOf("?actor=u1&when=days&from=2026-03-01&to=oops&operation=patch_user");
    expect(wanted).toEqual({
      ...ALL,
      actor: "u1",
      when: "days",
      from: "2026-03-01",
      operation: "patch_user",
    });
    expect(wantedOf(searchOf(wanted))).toEqual(wanted);
    expect(searchOf(ALL)).toBe("");
    expect(wantedOf("?when=whenever").when).toBe("all");
  });

  it("counts days from the reader's midnight, the last one whole", () => {
    const noon = new Date(2026, 2, 2, 12).getTime();
    expect(queryOf(ALL, noon)).toEqual({});
    expect(queryOf({ ...ALL, when: "today" }, noon)).toEqual({ since: new Date(2026, 2, 2).toISOString() });
    expect(queryOf({ ...ALL, when: "week" }, noon)).toEqual({ since: new Date(2026, 1, 24).toISOString() });
    expect(queryOf({ ...ALL, when: "days", from: "2026-02-28", to: "2026-03-01" }, noon)).toEqual({
      since: new Date(2026, 1, 28).toISOString(),
      until: new Date(2026, 2, 2).toISOString(),
    });
  });

  it("says who it was, a token and nobody too", () => {
    expect(actorOf(line, words)).toBe("{name} ({role})|Ann|administrator");
    expect(actorOf({ ...line, kind: "token" }, words)).toContain("token");
    expect(actorOf({ ...line, kind: "nobody", role: null }, words)).toBe(catalogues.en["audit.by.nobody"]);
  });

  it("says what was given, and of secrets that they were", () => {
    const changed = {
      role: "staff",
      disabled: true,
      password: "…",
      "settings.ladder": "3 …",
      "settings.new_one": 7,
      backup: null,
    };
    expect(changesOf({ ...line, changed }, words)).toEqual([
      ["role", "staff"],
      ["disabled", "yes"],
      ["password", null],
      ["rungs", "3"],
      ["new_one", "7"],
      ["backup", "none"],
    ]);
  });

  it("tells how it ended, and goes by days", () => {
    expect([200, 403, null].map((status) => endOf({ ...line, status }))).toEqual([
      null,
      "refused",
      "unknown",
    ]);
    const days = daysOf([line, { ...line, id: "6" }, { ...line, id: "5", at: "2026-02-20T11:00:00Z" }], "ko");
    expect(days.map(([, lines]) => lines.map(({ id }) => id))).toEqual([["7", "6"], ["5"]]);
  });
});
