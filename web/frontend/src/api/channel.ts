import type { Channel } from "./client.ts";

/**
 * A channel's state as viewers are told it. One that shall be on air but has no worker this moment is being brought
 * back: that is a pause, not an end.
 */
export function stateOf(channel: Pick<Channel, "state" | "on_air" | "idle">): Channel["state"] {
  return channel.state === "offline" && channel.on_air && !channel.idle ? "slate" : channel.state;
}

/** Whether a channel that runs on demand is off air only until its page's player has asked for it. */
export function startsNow(channel: Pick<Channel, "state" | "on_air" | "on_demand">): boolean {
  return channel.on_demand && channel.on_air && channel.state === "offline";
}
