import { describe, expect, it } from "vitest";
import { loginFor, returnTo } from "../src/session/return.ts";
import { covers, ROLES } from "../src/session/role.ts";

describe("the way back from the log-in page", () => {
  it.each(["/staff", "/staff/shows?x=1&y=%20", "/", "/live/main#now"])("%s", (page) => {
    expect(returnTo(new URL(loginFor(page), "http://x").search)).toBe(page);
  });

  it.each([
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "/a\\b",
    "/\t/evil.example",
    "javascript:alert(1)",
    "staff",
    "",
    "/login",
    "/login?next=/login",
  ])("%j leads nowhere else", (page) => {
    expect(returnTo(new URL(loginFor(page), "http://x").search, "/staff")).toBe("/staff");
  });
});

describe("roles", () => {
  it("cover those below them", () => {
    const covered = ROLES.map((held) => ROLES.filter((needed) => covers(held, needed)).length);
    expect(covered).toEqual([1, 2, 3, 4]);
    expect(covers(null, "viewer")).toBe(false);
  });
});
