/** From the least to the most; each may do all that the ones before it may (web/auth/roles.py). */
export const ROLES = ["viewer", "host", "staff", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Whether somebody with the role `held` (null: a guest) may do what `needed` is asked for. */
export function covers(held: Role | null, needed: Role): boolean {
  return held !== null && ROLES.indexOf(held) >= ROLES.indexOf(needed);
}
