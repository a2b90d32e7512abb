// What browsers see below /store: one page for all addresses, its script and style, and the pictures.

import { readFileSync } from "node:fs";
import { picture } from "./pictures.mjs";

const FILES = {
  "/store.css": "text/css; charset=utf-8",
  "/store.js": "text/javascript; charset=utf-8",
  "/messages.js": "text/javascript; charset=utf-8",
};
const PAGE = /^\/(p\/[a-z0-9-]{1,80}\/?)?$/;
const PICTURE = /^\/pictures\/([a-z0-9-]{1,80})\.svg$/;

// Express middleware. `state.ready` says whether the shop is open.
export function store({ seed, state, webhooks }) {
  const read = (name) => readFileSync(new URL(`./pages/${name}`, import.meta.url));
  const page = read("store.html");
  const files = new Map(Object.keys(FILES).map((path) => [path, read(path.slice(1))]));
  const pictures = new Map(seed.products.map((each) => [each.slug, each.picture]));
  return (request, response) => {
    const send = (type, body, keep = "no-cache") =>
      response.set({ "Content-Type": type, "Cache-Control": keep }).send(body);
    response.set({
      "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'",
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
    });
    const path = request.path;
    if (request.method !== "GET" && request.method !== "HEAD") return response.status(405).end();
    if (path === "/health") {
      return response
        .status(state.ready ? 200 : 503)
        .json({ ready: state.ready, webhooks_dropped: webhooks.dropped, webhooks_failed: webhooks.failed });
    }
    if (files.has(path)) return send(FILES[path], files.get(path));
    const asked = PICTURE.exec(path)?.[1];
    if (pictures.has(asked))
      return send("image/svg+xml", picture(pictures.get(asked)), "public, max-age=86400");
    if (PAGE.test(path)) return send("text/html; charset=utf-8", page);
    return response.status(404).set("Content-Type", "text/plain").send("not found");
  };
}
