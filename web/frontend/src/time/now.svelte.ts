import { createSubscriber } from "svelte/reactivity";

/** A clock for "3분 전": Unix milliseconds, renewed every ten seconds while a component reads it. */
const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, 10_000);
  return () => clearInterval(timer);
});

export function now(): number {
  subscribe();
  return Date.now();
}
