import { describe, expect, it } from "vitest";
import { match, plays } from "../src/routes.ts";

describe("routes", () => {
  it.each([
    ["/", { page: "home" }],
    ["/live/main", { page: "live", channel: "main" }],
    ["/live/main/", { page: "live", channel: "main" }],
    ["/shows/01JX-a_b", { page: "show", show: "01JX-a_b" }],
    ["/staff", { page: "staff", room: "control" }],
    ["/staff/", { page: "staff", room: "control" }],
    ["/staff/users", { page: "staff", room: "users" }],
    ["/staff/viewers/", { page: "staff", room: "viewers" }],
    ["/login", { page: "login" }],
    ["/host/01JX-a_b", { page: "host", show: "01JX-a_b" }],
    ["/embed/food-2", { page: "embed", channel: "food-2" }],
    ["/publish/cam-1", { page: "publish", feed: "cam-1" }],
  ])("%s", (path, route) => {
    expect(match(path)).toEqual(route);
  });

  it.each([
    "/staff/main",
    "/staff/users/ann",
    "/login/x",
    "/host",
    "/host/a/b",
    "/live",
    "/live/",
    "/live/main/more",
    "/live/..%2fhls",
    "/live/%",
    "/live/a b",
    "/live/<i>",
    "/nowhere/main",
    `/live/${"x".repeat(65)}`,
  ])("%s is no page", (path) => {
    expect(match(path)).toEqual({ page: "missing" });
  });

  it("fetches the player for pages that play, and only for them", () => {
    expect(["/", "/nowhere", "/live/a", "/shows/a", "/embed/a"].map((path) => plays(match(path)))).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
  });
});
