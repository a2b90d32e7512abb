import type { ProblemBody } from "../api/client.ts";

/** What is wrong with a form, by the name of its field. */
export type Faults = Readonly<Record<string, string>>;

/**
 * The server's refusal as faults of a form's `fields`; `prefix` is what the API puts before their names (`settings.`). Empty
 * where it names none of them: its sentence is then told for the whole form.
 */
export function faultsOf(problem: ProblemBody | null, fields: readonly string[], prefix = ""): Faults {
  const told =
    problem?.errors ??
    (problem?.field === undefined ? [] : [{ field: problem.field, detail: problem.detail ?? problem.title }]);
  const found: Record<string, string> = {};
  for (const { field, detail } of told) {
    const name = field.startsWith(prefix) ? field.slice(prefix.length) : field;
    const own = fields.find((each) => name === each || name.startsWith(`${each}.`));
    if (own !== undefined) found[own] ??= detail;
  }
  return found;
}

/** As the server's (web/auth/accounts.py), so that most mistakes are told before anything is sent. */
const LOGIN = /^[A-Za-z0-9][A-Za-z0-9._%+@-]{0,99}$/;
const SHORTEST = 10;

export type LoginFault = "form.missing" | "users.login.wrong";

export function loginFault(login: string): LoginFault | null {
  if (login === "") return "form.missing";
  return LOGIN.test(login) ? null : "users.login.wrong";
}

export type PasswordFault = "form.missing" | "users.password.short" | "users.password.same";

export function passwordFault(password: string, login: string): PasswordFault | null {
  if (password === "") return "form.missing";
  // Characters as people count them, not UTF-16 units.
  if ([...password].length < SHORTEST) return "users.password.short";
  const own = [login, login.split("@")[0] ?? ""].map((each) => each.toLowerCase());
  return own.includes(password.toLowerCase()) ? "users.password.same" : null;
}

/** Without i, l and o, which are read as other signs. 32 of them: a byte's lower five bits choose evenly. */
const SIGNS = "abcdefghjkmnpqrstuvwxyz123456789";

/** A password to pass on: four groups of four, 80 random bits. `bytes` gives so many random bytes. */
export function madeUp(bytes: (count: number) => Uint8Array): string {
  const signs = [...bytes(16)].map((byte) => SIGNS[byte & 31]).join("");
  return signs.replace(/(.{4})(?=.)/g, "$1-");
}
