import { afterEach, describe, expect, test, vi } from "vitest";
import type { Heard, Surroundings } from "../src/realtime/connection.ts";
import { frameOf, type Patch, patched } from "../src/realtime/frames.ts";
import { Realtime } from "../src/realtime/live.svelte.ts";

/** A browser with a server behind it, in which time passes when the test says so. */
class World implements Surroundings {
  now = 0;
  isOnline = true;
  isHidden = false;
  sockets: { heard: Heard; sent: unknown[]; closed: boolean }[] = [];
  #timers = new Set<{ at: number; call: () => void }>();

  open(_: string[], heard: Heard) {
    const socket = { heard, sent: [] as unknown[], closed: false };
    this.sockets.push(socket);
    return {
      send: (text: string) => void socket.sent.push(JSON.parse(text)),
      close: () => {
        socket.closed = true;
        // As the browser's, which is deaf after that.
        socket.heard = { opened: () => undefined, text: () => undefined, closed: () => undefined };
      },
    };
  }

  after(milliseconds: number, call: () => void): () => void {
    const timer = { at: this.now + milliseconds, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  random = () => 1;
  online = () => this.isOnline;
  hidden = () => this.isHidden;

  pass(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.now = due.at;
      due.call();
    }
    this.now = end;
  }

  get socket() {
    const last = this.sockets.at(-1);
    if (!last) throw new Error("no socket was opened");
    return last;
  }

  tell(frame: unknown): void {
    this.socket.heard.text(JSON.stringify(frame));
  }

  hello(epoch = "e1"): void {
    this.socket.heard.opened();
    this.tell({ type: "hello", v: 1, epoch, role: null, beat: 20 });
  }
}

const SNAPSHOT = {
  type: "snapshot",
  offset: 5,
  topics: { channels: { main: { id: "main", state: "live" } } },
};

function connected(): { world: World; realtime: Realtime } {
  const world = new World();
  const realtime = new Realtime(world);
  return { world, realtime };
}

afterEach(() => vi.unstubAllGlobals());

describe("frames", () => {
  test("a patch puts, sets and takes away, and leaves the rest the same objects", () => {
    const [kept, changed, old] = [{ n: 1 }, { n: 1, name: "본방" }, { n: 9 }];
    const docs = new Map<string, Record<string, unknown>>([
      ["kept", kept],
      ["changed", changed],
      ["old", old],
    ]);
    const patch: Patch = {
      type: "patch",
      offset: 2,
      put: { channels: { made: { n: 3 } } },
      set: { channels: { changed: { n: 2 } } },
      gone: { channels: ["old"] },
    };
    const next = patched(docs, patch, "channels");
    expect(Object.fromEntries(next)).toEqual({
      kept: { n: 1 },
      changed: { n: 2, name: "본방" },
      made: { n: 3 },
    });
    expect(next.get("kept")).toBe(kept);
    expect(docs.get("changed")).toEqual({ n: 1, name: "본방" });
    expect(patched(docs, patch, "shows")).toBe(docs);
  });

  test("a kind of frame that is newer than the page is passed over", () => {
    expect(frameOf('{"type":"cards"}')).toBeNull();
  });
});

describe("the store", () => {
  test("subscribes once for all who read a topic, and follows it", () => {
    const { world, realtime } = connected();
    const { live, stop } = realtime.read("channels");
    const again = realtime.read("channels");
    expect(live.status).toBe("waiting");
    world.hello();
    expect(world.socket.sent).toEqual([{ type: "subscribe", epoch: "", topics: { channels: null } }]);
    world.tell(SNAPSHOT);
    expect([live.status, live.items.get("main")?.state]).toEqual(["live", "live"]);
    expect(again.live).toBe(live);
    world.tell({ type: "patch", offset: 7, set: { channels: { main: { state: "slate" } } } });
    expect(live.list.map((channel) => channel.state)).toEqual(["slate"]);
    stop();
    expect(world.socket.closed).toBe(false);
    again.stop();
    expect(world.socket.closed).toBe(true);
  });

  test("goes on from its offset after a loss, after a wait", () => {
    const { world, realtime } = connected();
    const { live } = realtime.read("channels");
    world.hello();
    world.tell(SNAPSHOT);
    world.tell({ type: "beat", offset: 9 });
    world.socket.heard.closed();
    expect(live.status).toBe("stale");
    expect(live.items.size).toBe(1);
    world.pass(900);
    expect(world.sockets.length).toBe(1);
    world.pass(200);
    world.hello();
    expect(world.socket.sent).toEqual([{ type: "subscribe", epoch: "e1", topics: { channels: 9 } }]);
    world.tell({ type: "patch", offset: 12, resumed: ["channels"], gone: { channels: ["main"] } });
    expect([live.status, live.items.size]).toEqual(["live", 0]);
  });

  test("asks for everything where the server is another one", () => {
    const { world, realtime } = connected();
    const { live } = realtime.read("channels");
    world.hello();
    world.tell(SNAPSHOT);
    world.socket.heard.closed();
    world.pass(1_100);
    world.hello("e2");
    expect(world.socket.sent).toEqual([{ type: "subscribe", epoch: "e1", topics: { channels: null } }]);
    // What belongs to the former server must not be patched.
    world.tell({ type: "patch", offset: 1, put: { channels: { other: { id: "other" } } } });
    expect([...live.items.keys()]).toEqual(["main"]);
    world.tell({ type: "snapshot", offset: 1, topics: { channels: {} } });
    expect([live.status, live.items.size]).toEqual(["live", 0]);
  });

  test("a connection that says nothing is dead", () => {
    const { world, realtime } = connected();
    const { live } = realtime.read("channels");
    world.hello();
    world.tell(SNAPSHOT);
    world.pass(49_000);
    expect(live.status).toBe("live");
    world.pass(2_000);
    expect(live.status).toBe("stale");
    expect(world.sockets[0]?.closed).toBe(true);
  });

  test("waits longer from one failure to the next, until it was open again", () => {
    const { world, realtime } = connected();
    realtime.read("channels");
    world.hello();
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      world.socket.heard.closed();
      const [count, from] = [world.sockets.length, world.now];
      while (world.sockets.length === count) world.pass(100);
      waits.push(world.now - from);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
    world.hello();
    world.socket.heard.closed();
    world.pass(1_000);
    expect(world.sockets.length).toBe(7);
  });

  test("rests while the page is not seen or there is no network", () => {
    const { world, realtime } = connected();
    const { live } = realtime.read("channels");
    world.hello();
    world.tell(SNAPSHOT);
    world.isHidden = true;
    realtime.connection.look();
    world.pass(40_000);
    world.tell({ type: "beat", offset: 5 });
    world.pass(19_000);
    expect(live.status).toBe("live");
    world.pass(2_000);
    expect([live.status, world.socket.closed]).toEqual(["stale", true]);
    world.isHidden = false;
    realtime.connection.look();
    expect(world.sockets.length).toBe(2);
    world.isOnline = false;
    realtime.connection.look();
    expect(world.socket.closed).toBe(true);
    world.pass(120_000);
    expect(world.sockets.length).toBe(2);
    world.isOnline = true;
    realtime.connection.look();
    expect(world.sockets.length).toBe(3);
  });

  test("what is refused is said, and comes after logging in", () => {
    const { world, realtime } = connected();
    const { live } = realtime.read("feeds");
    world.hello("e1.guest");
    world.tell({ type: "refused", topics: { feeds: "unauthenticated" } });
    expect([live.status, live.refusal, live.known]).toEqual(["refused", "unauthenticated", false]);
    realtime.connection.renew();
    world.hello("e1.host");
    world.tell({ type: "snapshot", offset: 1, topics: { feeds: { cam: { id: "cam" } } } });
    expect([live.status, live.refusal, live.list.length]).toEqual(["live", null, 1]);
  });

  test("asks by REST where no WebSocket opens, and goes back when one does", async () => {
    const asked: string[] = [];
    vi.stubGlobal("fetch", async (url: string) => {
      asked.push(url);
      return new Response(JSON.stringify({ items: [{ id: "main", state: "live" }], next: null }));
    });
    const { world, realtime } = connected();
    const { live, stop } = realtime.read("channels");
    for (let i = 0; i < 3; i++) {
      world.socket.heard.closed();
      world.pass(5_000);
    }
    await vi.waitFor(() => expect(live.status).toBe("polling"));
    expect(asked[0]).toBe("/api/v1/channels?limit=200");
    expect(live.items.get("main")?.state).toBe("live");
    const before = world.sockets.length;
    world.pass(121_000);
    expect(world.sockets.length).toBe(before + 1);
    world.hello();
    world.tell(SNAPSHOT);
    expect(live.status).toBe("live");
    const polls = asked.length;
    world.pass(60_000);
    await Promise.resolve();
    expect(asked.length).toBe(polls);
    stop();
  });
});
