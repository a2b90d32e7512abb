import "./design/tokens.css";
import "./design/base.css";
import { type Component, mount } from "svelte";
import { language } from "./messages/language.svelte.ts";
import Embed from "./pages/Embed.svelte";
import Home from "./pages/Home.svelte";
import Live from "./pages/Live.svelte";
import Missing from "./pages/Missing.svelte";
import Show from "./pages/Show.svelte";
import { match, plays } from "./routes.ts";

const route = match(location.pathname);
document.documentElement.lang = language();

// The player's library is the largest part of a page: it is asked for now, beside the page and not after it. A failure
// is the player's to repair, which asks again.
if (plays(route) && "MediaSource" in window) import("./player/hls-engine.ts").catch(() => undefined);

const found = document.querySelector("#page");
if (found === null) throw new Error("index.html has no #page");
const target = found;

function show<P extends Record<string, unknown>>(page: Component<P>, props: P): void {
  mount(page, { target, props });
}

switch (route.page) {
  case "home":
    show(Home, {});
    break;
  case "live":
    show(Live, { channel: route.channel });
    break;
  case "show":
    show(Show, { show: route.show });
    break;
  case "embed":
    show(Embed, { channel: route.channel });
    break;
  case "staff": {
    // Staff's pages are chunks of their own: viewers never fetch them.
    const { room } = route;
    import("./pages/Staff.svelte").then(({ default: Staff }) => show(Staff, { room }));
    break;
  }
  case "login":
    import("./pages/Login.svelte").then(({ default: Login }) => show(Login, {}));
    break;
  case "host": {
    const { show: id } = route;
    import("./pages/Host.svelte").then(({ default: Host }) => show(Host, { show: id }));
    break;
  }
  case "publish": {
    const { feed } = route;
    import("./pages/Publish.svelte").then(({ default: Publish }) => show(Publish, { feed }));
    break;
  }
  case "missing":
    show(Missing, {});
    break;
}
