/** The staff's pages: the control room at `/staff`, and what lies below it (the server knows the same, web/pages.py). */
export type StaffRoom = "control" | (typeof STAFF)[number];
const STAFF = ["channels", "viewers", "users", "audit", "account"] as const;

/** Which page a path means. The server sends the same document for all of them; ids follow the API's grammar. */
export type Route =
  | { readonly page: "home" }
  | { readonly page: "live"; readonly channel: string }
  | { readonly page: "show"; readonly show: string }
  | { readonly page: "embed"; readonly channel: string }
  | { readonly page: "host"; readonly show: string }
  | { readonly page: "publish"; readonly feed: string }
  | { readonly page: "staff"; readonly room: StaffRoom }
  | { readonly page: "login" }
  | { readonly page: "missing" };

const PLAIN_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

function idFrom(segment: string): string | null {
  try {
    const id = decodeURIComponent(segment);
    return PLAIN_ID.test(id) ? id : null;
  } catch {
    return null; // a stray percent sign: no such page
  }
}

/** The route of a URL path. A trailing slash means the same page; anything unknown is `missing`. */
export function match(path: string): Route {
  const segments = path.split("/").filter((segment) => segment !== "");
  const [room, name] = segments;
  if (room === undefined) return { page: "home" };
  if (room === "staff" && segments.length === 1) return { page: "staff", room: "control" };
  const below = STAFF.find((each) => each === name);
  if (room === "staff" && segments.length === 2 && below !== undefined) return { page: "staff", room: below };
  if (room === "login" && segments.length === 1) return { page: "login" };
  const id = segments.length === 2 && name !== undefined ? idFrom(name) : null;
  if (id === null) return { page: "missing" };
  switch (room) {
    case "live":
      return { page: "live", channel: id };
    case "shows":
      return { page: "show", show: id };
    case "host":
      return { page: "host", show: id };
    case "embed":
      return { page: "embed", channel: id };
    case "publish":
      return { page: "publish", feed: id };
    default:
      return { page: "missing" };
  }
}

/** Whether the page has a picture that plays: its player is then fetched beside the page's own code. */
export function plays(route: Route): boolean {
  return route.page === "live" || route.page === "show" || route.page === "embed";
}
