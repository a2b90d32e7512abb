import { createSubscriber } from "svelte/reactivity";

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, 1_000);
  return () => clearInterval(timer);
});

/** Unix milliseconds, renewed each second while a component reads it: for clocks and countdowns. */
export function tick(): number {
  subscribe();
  return Date.now();
}
