import { describe, expect, it, vi } from "vitest";
import { PlayerController } from "../src/player/controller.svelte.ts";

function paused(currentTime: number) {
  const video = { currentTime, paused: true, play: vi.fn(async () => {}), pause: vi.fn() };
  vi.stubGlobal("navigator", { onLine: true });
  const player = new PlayerController(video as unknown as HTMLVideoElement, { url: "/x", live: true });
  return { video, player };
}

describe("playing after a pause that outlasted the window", () => {
  it("goes to the live place once, and is then wanted", () => {
    const { video, player } = paused(15);
    player.stretch = { start: 10, end: 20 };
    player.toggle();
    expect(player.wanted).toBe(false);
    video.currentTime = 5;
    player.toggle();
    expect(player.wanted).toBe(true);
    expect(video.currentTime).toBe(20);
    expect(video.play).toHaveBeenCalledTimes(1);
  });
});
