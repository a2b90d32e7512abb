import { createSubscriber } from "svelte/reactivity";
import { serverNow } from "./server.ts";

// Four times a second, so that a countdown's seconds fall within a quarter of where the server's do.
const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, 250);
  return () => clearInterval(timer);
});

/** Unix milliseconds by the server's clock, renewed while a component reads it: for countdowns. */
export function second(): number {
  subscribe();
  return serverNow();
}
