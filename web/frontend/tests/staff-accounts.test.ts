import { describe, expect, it } from "vitest";
import { faultsOf, loginFault, madeUp, passwordFault } from "../src/staff/faults.ts";

describe("faults of a form", () => {
  const problem = (field: string, errors?: { field: string; detail: string }[]) => ({
    type: "/problems/invalid-field",
    title: "wrong",
    status: 422,
    detail: `‘${field}’: wrong`,
    field,
    ...(errors ? { errors } : {}),
  });

  it("are told at the fields that the form has, whatever stands before or below them", () => {
    expect(faultsOf(problem("settings.ladder.0.height"), ["ladder"], "settings.")).toEqual({
      ladder: "‘settings.ladder.0.height’: wrong",
    });
    expect(faultsOf(problem("laddering"), ["ladder"])).toEqual({});
    expect(faultsOf(null, ["ladder"])).toEqual({});
  });

  it("are all told where there are several, the first of each field", () => {
    const errors = ["name", "login", "login"].map((field, i) => ({ field, detail: `${i}` }));
    expect(faultsOf(problem("name", errors), ["login", "name"])).toEqual({ name: "0", login: "1" });
  });

  it.each([
    ["", "form.missing"],
    ["김담당", "users.login.wrong"],
    [".ann", "users.login.wrong"],
    ["ann@example.com", null],
  ])("login %j: %s", (login, fault) => expect(loginFault(login)).toBe(fault));

  it.each([
    ["", "ann", "form.missing"],
    ["아홉글자비밀번호다", "ann", "users.password.short"],
    ["열글자비밀번호입니다", "ann", null],
    ["😀😀😀😀😀", "ann", "users.password.short"],
    ["Ann-at-home", "ann-at-home@example.com", "users.password.same"],
  ])("password %j of %s: %s", (password, login, fault) => {
    expect(passwordFault(password, login)).toBe(fault);
  });

  it("makes up passwords that the server takes, of all the bytes that it is given", () => {
    const password = madeUp((count) => Uint8Array.from({ length: count }, (_, i) => 255 - i));
    expect(password).toMatch(/^([a-hjkmnp-z1-9]{4}-){3}[a-hjkmnp-z1-9]{4}$/);
    expect(passwordFault(password, "ann")).toBeNull();
    expect(new Set(password.replaceAll("-", "")).size).toBe(16);
  });
});
