import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { renewing } from "../src/staff/renewal.ts";

describe("renewal", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function rig(load: () => Promise<void> = async () => undefined) {
    const state = { wanted: true, loads: 0 };
    const renewal = renewing({
      every: 5_000,
      wanted: () => state.wanted,
      load: () => {
        state.loads += 1;
        return load();
      },
    });
    return { state, renewal };
  }

  it("loads at once, then every five seconds, however often it is woken", async () => {
    const { state, renewal } = rig();
    renewal.wake();
    expect(state.loads).toBe(1);
    for (let second = 0; second < 15; second += 1) {
      await vi.advanceTimersByTimeAsync(1_000);
      renewal.wake();
    }
    expect(state.loads).toBe(4);
    renewal.end();
  });

  it("rests while nobody sees it, and is there at once for who looks again", async () => {
    const { state, renewal } = rig();
    renewal.wake();
    state.wanted = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(state.loads).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
    state.wanted = true;
    renewal.wake();
    expect(state.loads).toBe(2);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(state.loads).toBe(3);
    renewal.end();
  });

  it("never loads twice at once, and goes on when a slow one ends", async () => {
    let answer = () => {};
    const { state, renewal } = rig(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    renewal.wake();
    await vi.advanceTimersByTimeAsync(12_000);
    renewal.wake();
    expect(state.loads).toBe(1);
    answer();
    await vi.advanceTimersByTimeAsync(0);
    expect(state.loads).toBe(2);
    renewal.end();
    answer();
  });

  it("tries a load that failed again at the next turn, not sooner", async () => {
    const { state, renewal } = rig(() => Promise.reject(new Error("503")));
    renewal.wake();
    await vi.advanceTimersByTimeAsync(4_900);
    expect(state.loads).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(state.loads).toBe(2);
    renewal.end();
  });

  it("survives a clock that is set back", async () => {
    const { state, renewal } = rig();
    renewal.wake();
    await vi.advanceTimersByTimeAsync(0);
    vi.setSystemTime(Date.now() - 3_600_000);
    renewal.wake();
    expect(state.loads).toBe(2);
    renewal.end();
  });

  it("loads nothing once it has ended", async () => {
    const { state, renewal } = rig();
    renewal.wake();
    renewal.end();
    renewal.wake();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(state.loads).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
