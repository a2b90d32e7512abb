import { describe, expect, it } from "vitest";
import type { Channel, Show } from "../src/api/client.ts";
import { catalogues, type StaffKey } from "../src/messages/staff/index.ts";
import type { Feed, Iso } from "../src/realtime/topics.ts";
import { addressesOf, loopback } from "../src/staff/addresses.ts";
import { chosen, concerns, type Known, nextStep, said, whyNot } from "../src/staff/attention.ts";
import { hoursLeft, slices } from "../src/staff/disk.ts";
import { ceiling, drawn, HOLE, joined, type Sample, SPAN } from "../src/staff/graph.ts";
import { ordered, runningOf, seconds } from "../src/staff/isos.ts";
import { codeOf } from "../src/staff/qr.ts";
import { added, type Entry, elapsed, MOST, newest } from "../src/staff/undo.ts";
import { bits, bytes, roughly } from "../src/staff/units.ts";

const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

describe("the staff's catalogues", () => {
  const keys = Object.keys(catalogues.ko) as StaffKey[];

  it("say the same things, with the same values in them, each in its own language", () => {
    expect(Object.keys(catalogues.en).sort()).toEqual([...keys].sort());
    for (const key of keys) {
      expect(catalogues.ko[key].trim(), key).not.toBe("");
      expect(names(catalogues.en[key]), key).toEqual(names(catalogues.ko[key]));
      expect(catalogues.en[key], key).not.toMatch(/[가-힣]/);
    }
  });
});

describe("units", () => {
  it.each([
    [0, "0"],
    [999, "0"],
    [640_000, "640 kb/s"],
    [999_600, "1.0 Mb/s"],
    [2_540_000, "2.5 Mb/s"],
  ])("%d bit/s", (rate, text) => expect(bits(rate)).toBe(text));

  it.each([
    [0, "0"],
    [999, "999 B"],
    [1_200, "1 kB"],
    [1_250_000_000, "1.3 GB"],
    [412_000_000_000, "412 GB"],
    [999_600_000, "1.0 GB"],
  ])("%d bytes", (count, text) => expect(bytes(count)).toBe(text));

  it("tells hours, then days", () => {
    expect([roughly(0.2, "ko"), roughly(41.9, "ko"), roughly(100, "en")]).toEqual([
      "1시간",
      "41시간",
      "4 days",
    ]);
  });
});

describe("the graph", () => {
  const line = (count: number, step: number): readonly Sample[] =>
    Array.from({ length: count }, (_, i) => ({ at: i * step, rate: 1_000_000 })).reduce<readonly Sample[]>(
      joined,
      [],
    );

  it("keeps five minutes and never grows past them", () => {
    const kept = line(10_000, 100);
    expect(kept.length).toBeLessThan(SPAN / 900 + 2);
    expect((kept.at(-1)?.at ?? 0) - (kept[1]?.at ?? 0)).toBeLessThanOrEqual(SPAN);
  });

  it("does not join what nobody saw", () => {
    const holed = [...line(5, 2_000), ...line(5, 2_000).map(({ at, rate }) => ({ at: at + HOLE * 3, rate }))];
    expect(drawn(holed, 60_000, 100, 20).line.match(/M/g)).toHaveLength(2);
    expect(drawn(line(5, 2_000), 8_000, 100, 20).line.match(/M/g)).toHaveLength(1);
  });

  it("puts the newest at the right edge, and nothing where one reading is all", () => {
    expect(drawn(line(3, 2_000), 4_000, 100, 20).line).toMatch(/L100 /);
    expect(drawn(line(1, 2_000), 0, 100, 20)).toEqual({ line: "", area: "" });
  });

  it("has a scale that rests", () => {
    expect([1, 130_000, 2_000_001, 9_999_999].map((rate) => ceiling([{ at: 0, rate }]))).toEqual([
      100_000, 200_000, 5_000_000, 10_000_000,
    ]);
  });
});

describe("undo", () => {
  const entry = (id: number, kind: Entry["kind"], about: string, until = 5_000): Entry => ({
    id,
    kind,
    about,
    text: about,
    until,
  });

  it("does what is due once its time is over, and nothing before", () => {
    const { entries } = added([], entry(1, "due", "show.s1"));
    expect(elapsed(entries, 4_999)).toEqual({ entries, due: [] });
    expect(elapsed(entries, 5_000)).toEqual({ entries: [], due: entries });
  });

  it("forgets what was done without doing it again", () => {
    expect(elapsed([entry(1, "done", "a")], 5_000)).toEqual({ entries: [], due: [] });
  });

  it("replaces what is about the same thing", () => {
    const first = entry(1, "due", "channel.main");
    const { entries, replaced } = added([first, entry(2, "done", "other")], entry(3, "done", "channel.main"));
    expect(entries.map(({ id }) => id)).toEqual([2, 3]);
    expect(replaced).toEqual([first]);
  });

  it("lets notices leave, and never what is due", () => {
    let entries: readonly Entry[] = [];
    for (let id = 0; id < 20; id++)
      ({ entries } = added(entries, entry(id, id < 3 ? "due" : "told", `${id}`)));
    expect(entries).toHaveLength(MOST);
    expect(entries.filter(({ kind }) => kind === "due").map(({ id }) => id)).toEqual([0, 1, 2]);
  });

  it("takes the newest back that can be taken back", () => {
    const entries = [
      entry(1, "done", "a"),
      entry(2, "due", "b"),
      entry(3, "told", "c"),
      entry(4, "failed", "d"),
    ];
    expect(newest(entries)?.id).toBe(2);
    expect(newest([])).toBeUndefined();
  });
});

const channel = (changes: Partial<Channel> = {}): Channel =>
  ({
    id: "main",
    name: "본방",
    state: "live",
    on_air: true,
    ready: true,
    program: { feed: "cam", backup: null },
    picture: "cam",
    reason: "",
    speed: 1,
    version: 1,
    settings: { ladder: [{ height: 720, bitrate: 3_500_000 }], audio_bitrate: 100_000 },
    ...changes,
  }) as Channel;
const feed = (changes: Partial<Feed> = {}): Feed =>
  ({
    id: "cam",
    name: "1번 카메라",
    kind: "rtmp",
    state: "live",
    publish_url: "rtmp://10.0.0.5:1935/live",
    ...changes,
  }) as Feed;
const storage = { total: 1_000, free: 500, tape: 300, recordings: 200, isos: 20, exports: 50, min_free: 100 };
const told = (known: Partial<Known>) =>
  concerns({
    channels: [],
    feeds: [],
    shows: [],
    isos: [],
    storage: null,
    words: (key) => catalogues.ko[key],
    free: String,
    ...known,
  });

describe("what needs a person", () => {
  it("is nothing while all is well", () => {
    expect(told({ channels: [channel()], feeds: [feed()], storage })).toEqual([]);
    expect(told({ channels: [channel({ on_air: false, state: "offline", picture: "" })] })).toEqual([]);
  });

  it.each([
    ["down", { state: "offline", picture: "" }],
    ["slate", { state: "slate", picture: "slate" }],
    ["freeze", { picture: "freeze" }],
    ["backup", { picture: "spare" }],
    ["slow", { speed: 0.8 }],
  ] as const)("%s", (what, changes) => {
    const found = told({ channels: [channel(changes)], feeds: [feed({ state: "lost" })] });
    expect(found.map(({ title }) => title)).toEqual([`look.channel.${what}`]);
    expect(found[0]?.values).toMatchObject({ channel: "본방", feed: "1번 카메라", state: "끊김" });
  });

  it("is not a channel that rests until somebody watches", () => {
    const rests = { ...channel({ state: "offline", picture: "" }), idle: true };
    expect(told({ channels: [rests] })).toEqual([]);
    expect(whyNot(rests, "카메라")?.key).toBe("channel.why.resting");
  });

  it("is a show without a feed, or without its channel", () => {
    const show = { id: "s1", title: "빵", channel: "main", state: "live" } as Show;
    const empty = channel({ program: { feed: null, backup: null }, picture: "slate", state: "slate" });
    expect(told({ channels: [empty] })).toEqual([]);
    expect(told({ channels: [empty], shows: [show] })[0]?.title).toBe("look.channel.empty");
    expect(told({ channels: [channel({ on_air: false })], shows: [show] })[0]?.title).toBe("look.show.off");
  });

  it("is a backup that could not step in, but not a feed that nobody needs", () => {
    const channels = [channel({ program: { feed: "cam", backup: "spare" } })];
    const spare = feed({ id: "spare", state: "idle" });
    expect(told({ channels, feeds: [feed(), spare] })[0]?.title).toBe("look.feed.backup");
    expect(told({ channels: [channel()], feeds: [feed(), spare, feed({ id: "x", state: "lost" })] })).toEqual(
      [],
    );
    expect(told({ feeds: [feed({ state: "failed" })] })[0]?.title).toBe("look.feed.failed");
  });

  it("is the disk before it is too late, and the worst comes first", () => {
    const low = told({ channels: [channel({ picture: "freeze" })], storage: { ...storage, free: 250 } });
    expect(low.map(({ title }) => title)).toEqual(["look.channel.freeze", "look.disk.low"]);
    expect(told({ storage: { ...storage, free: 90 } })[0]).toMatchObject({
      title: "look.disk.full",
      level: "now",
    });
    expect(told({ storage: { ...storage, free: 90, min_free: 0 } })).toEqual([]);
  });
});

describe("choosing a feed", () => {
  it("keeps the backup, and changes places with it when it is what is chosen", () => {
    const program = { feed: "cam", backup: "spare" };
    expect(chosen(program, "x")).toEqual({ feed: "x", backup: "spare" });
    expect(chosen(program, "spare")).toEqual({ feed: "spare", backup: "cam" });
    expect(chosen(program, null)).toEqual({ feed: null, backup: "spare" });
    expect(chosen({ feed: null, backup: "spare" }, "spare")).toEqual({ feed: "spare", backup: null });
    expect(chosen(null, "x")).toEqual({ feed: "x", backup: null });
  });
});

describe("words for states", () => {
  it("say why viewers see something else, and nothing while they do not", () => {
    expect(whyNot(channel(), "카메라")).toBeNull();
    expect(whyNot(channel({ picture: "slate", reason: "waiting" }), "카메라")).toEqual({
      key: "channel.why.waiting",
      values: { feed: "카메라" },
    });
    expect(whyNot(channel({ picture: "slate", reason: "cannot decode av1" }), "카메라")).toEqual({
      key: "channel.why.other",
      values: { reason: "cannot decode av1" },
    });
    expect(whyNot(channel({ on_air: false, picture: "" }), "카메라")).toBeNull();
    // A worker's first picture comes without a reason.
    expect(whyNot(channel({ picture: "slate" }), "카메라")?.key).toBe("channel.why.waiting");
    expect(whyNot(channel({ picture: "spare" }), "카메라")?.key).toBe("channel.why.backup");
  });

  it("say what the server says of a feed, and of a wrong clock in the reader's own language", () => {
    expect(said({ reason: "" })).toBeNull();
    expect(said({ reason: "nobody knows the name of the camera" })).toEqual({
      key: "feed.said",
      values: { reason: "nobody knows the name of the camera" },
    });
    const reason = "the sender's clock runs at 1.5 times real time: its picture follow by when they arrive";
    expect(said({ reason })).toEqual({ key: "feed.clock", values: { rate: "1.5" } });
  });

  it("name the next step for who pushes and for what is fetched", () => {
    expect(nextStep(feed())).toBeNull();
    expect(nextStep(feed({ state: "lost" }))).toBe("feed.next.lost.push");
    expect(nextStep(feed({ state: "lost", kind: "file" }))).toBe("feed.next.lost.pull");
  });
});

describe("addresses", () => {
  const origin = "https://live.example";
  const secret = { key: "k1", url: "rtmp://10.0.0.5:1935/live/k1" };

  it("tell a key once, and afterwards that it is told no more", () => {
    expect(addressesOf(feed(), null, origin)).toHaveLength(1);
    expect(addressesOf(feed(), null, origin)[0]?.lines[1]).toMatchObject({ hidden: true, value: "" });
    const made = addressesOf(feed(), secret, origin);
    expect(made.map(({ name }) => name)).toEqual(["obs", "app"]);
    expect(made[1]?.qr).toBe(secret.url);
  });

  it("lead a phone to its page", () => {
    const [phone, obs] = addressesOf(feed({ kind: "whip" as Feed["kind"], publish_url: "" }), null, origin);
    expect(phone?.qr).toBe("https://live.example/publish/cam");
    expect(obs?.lines[0]?.value).toBe("https://live.example/whip/cam");
  });

  it("are none for what the server fetches", () => {
    expect(addressesOf(feed({ kind: "test", publish_url: "" }), null, origin)).toEqual([]);
  });

  it("warn of those that work on one machine alone", () => {
    expect(["rtmp://127.0.0.1:1935/live", "rtmp://localhost/live", "srt://[::1]:9710"].map(loopback)).toEqual(
      [true, true, true],
    );
    expect(loopback("rtmp://10.0.0.5:1935/live")).toBe(false);
  });

  it("become QR codes with their quiet zone, Hangul too", () => {
    const code = codeOf("https://live.example/publish/카메라");
    expect(code.size).toBeGreaterThanOrEqual(21 + 8);
    // The upper left finder pattern: seven dark modules after four light ones.
    expect(code.path).toMatch(/^M4 4h7v1h-7z/);
  });
});

describe("the disk", () => {
  it("is the sum of its parts", () => {
    expect(slices(storage).map(({ bytes: size }) => size)).toEqual([200, 20, 100, 50, 130]);
    expect(slices({ ...storage, tape: 900 }).at(-1)?.bytes).toBe(0);
  });

  it("lasts for hours at the rate of now", () => {
    const room = { ...storage, free: 3_600_000_000, min_free: 0 };
    expect(hoursLeft(room, [channel()])).toBeCloseTo(2.22, 2);
    expect(hoursLeft(room, [channel({ on_air: false })])).toBeNull();
    expect(hoursLeft({ ...room, min_free: 4e9 }, [channel()])).toBe(0);
  });
});

describe("recordings of feeds", () => {
  const iso = (id: string, started: string, over: Partial<Iso> = {}): Iso => ({
    id,
    feed: "cam",
    started,
    ended: null,
    state: "recording",
    reason: "",
    size: 0,
    duration: 0,
    part_count: 1,
    parts: null,
    gaps: null,
    ...over,
  });
  const ended = (id: string, started: string) =>
    iso(id, started, { ended: started, state: "ended", duration: 7 });
  const list = [
    ended("old", "2026-01-01T00:00:00Z"),
    ended("new", "2026-03-01T00:00:00Z"),
    iso("runs", "2026-02-01T00:00:00Z"),
  ];

  it("are found by their feed while they run", () => {
    expect(runningOf(list, "cam")?.id).toBe("runs");
    expect(runningOf(list, "other")).toBeNull();
    expect(runningOf(list.slice(0, 2), "cam")).toBeNull();
  });

  it("that run come first, then the newest", () => {
    expect(ordered(list).map(({ id }) => id)).toEqual(["runs", "new", "old"]);
  });

  it("count while they run, and then say what there is", () => {
    const at = Date.parse("2026-02-01T00:01:05Z");
    expect(seconds(list[2] as Iso, at)).toBe(65);
    expect(seconds(list[0] as Iso, at)).toBe(7);
  });

  it("that cannot be written are told with their reason", () => {
    const failing = iso("i", "2026-02-01T00:00:00Z", {
      state: "trouble",
      reason: "the disk: it is nearly full",
    });
    expect(told({ isos: [failing] })).toMatchObject([
      { title: "look.iso", level: "soon", values: { feed: "cam", reason: "the disk: it is nearly full" } },
    ]);
    expect(told({ isos: list })).toEqual([]);
  });
});
