import type { StaffRoom } from "../routes.ts";
import type { Role } from "../session/role.ts";

/** The staff's pages in the order in which they are shown, and who may see each: what the API asks of their requests. */
export const ROOMS: readonly { readonly room: StaffRoom; readonly path: string; readonly role: Role }[] = [
  { room: "control", path: "/staff", role: "host" },
  { room: "channels", path: "/staff/channels", role: "staff" },
  { room: "viewers", path: "/staff/viewers", role: "host" },
  { room: "users", path: "/staff/users", role: "admin" },
  { room: "audit", path: "/staff/audit", role: "admin" },
  { room: "account", path: "/staff/account", role: "viewer" },
];

/** The role that a page needs. */
export function roleOf(room: StaffRoom): Role {
  return ROOMS.find((each) => each.room === room)?.role ?? "admin";
}
