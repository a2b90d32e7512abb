import { describe, expect, it } from "vitest";
import { ROOMS, roleOf } from "../src/staff/rooms.ts";

describe("the staff's pages", () => {
  it("ask for the roles that their requests need, and have an address each", () => {
    expect(new Set(ROOMS.map(({ path }) => path)).size).toBe(ROOMS.length);
    expect(["users", "audit"].map((room) => roleOf(room as "users"))).toEqual(["admin", "admin"]);
    expect([roleOf("account"), roleOf("channels"), roleOf("viewers")]).toEqual(["viewer", "staff", "host"]);
  });
});
