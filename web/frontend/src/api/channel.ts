import type { Channel } from "./client.ts";

/**
 * A channel's state as viewers are told it. One that shall be on air but has no worker this moment is being brought
 * back: that is a pause, not an end.
 */
export function stateOf(channel: Pick<Channel, "state" | "on_air">): Channel["state"] {
  return channel.state === "offline" && channel.on_air ? "slate" : channel.state;
}
