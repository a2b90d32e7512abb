import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  FAREWELL,
  fragment,
  GATHER,
  HOPE,
  iceServers,
  LISTEN,
  preferred,
  QUIET,
  REPLY,
  received,
  startingAt,
  troubleOf,
  WhipError,
  type WhipOptions,
  WhipSession,
} from "../src/publish/whip.ts";

const OFFER =
  "v=0\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n";
const ANSWER =
  "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n";
const URL_ = "https://live.example/whip/cam";

/** A peer connection that does as it is told. */
class FakePeer {
  connectionState = "new";
  onconnectionstatechange: (() => void) | null = null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  localDescription: { sdp: string } | null = null;
  remote = "";
  configuration: RTCConfiguration = {};
  preferences: unknown[] = [];
  closed = false;
  /** What the browser counted; a rise each look while `heard`. */
  bytes = 1_000;
  heard = true;
  counts = true;
  getStats() {
    if (this.heard) this.bytes += 100;
    const entries = this.counts ? [{ type: "candidate-pair", bytesReceived: this.bytes }] : [];
    return Promise.resolve(new Map(entries.map((entry, at) => [String(at), entry])));
  }
  senders: { track: { kind: string }; parameters: { encodings: { maxBitrate?: number }[] } }[] = [];

  addTransceiver(track: { kind: string }, init: { direction: string }) {
    expect(init.direction).toBe("sendonly");
    this.senders.push({ track, parameters: { encodings: [{}] } });
    return { setCodecPreferences: (order: unknown[]) => this.preferences.push(...order) };
  }
  getTransceivers() {
    return this.senders.map((sender) => ({
      sender: {
        ...sender,
        getParameters: () => sender.parameters,
        setParameters: (parameters: typeof sender.parameters) => {
          sender.parameters = parameters;
          return Promise.resolve();
        },
        replaceTrack: (track: { kind: string }) => {
          sender.track = track;
          return Promise.resolve();
        },
      },
    }));
  }
  createOffer = () => Promise.resolve({ type: "offer", sdp: OFFER });
  setLocalDescription(description: { sdp: string }) {
    this.localDescription = description;
    return Promise.resolve();
  }
  setRemoteDescription({ sdp }: { sdp: string }) {
    this.remote = sdp;
    return Promise.resolve();
  }
  getConfiguration = () => ({ bundlePolicy: "max-bundle" });
  setConfiguration(configuration: RTCConfiguration) {
    expect(this.localDescription).toBeNull(); // before gathering begins
    this.configuration = configuration;
  }
  become(state: string) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
  close() {
    this.closed = true;
  }
}

interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

let peer: FakePeer;
let sent: Request[];
let told: string[];

function options(answer: (request: Request) => Response | Promise<Response>): WhipOptions {
  return {
    url: URL_,
    key: "secret",
    tracks: [{ kind: "audio" }, { kind: "video" }] as unknown as MediaStreamTrack[],
    bitrate: 2_000_000,
    codecs: [{ mimeType: "video/VP8", clockRate: 90_000 }],
    makePeer: () => peer as unknown as RTCPeerConnection,
    fetch: async (url, init) => {
      const request = {
        method: init?.method ?? "GET",
        url: String(url),
        headers: init?.headers as Record<string, string>,
        body: String(init?.body ?? ""),
      };
      sent.push(request);
      return answer(request);
    },
    onconnected: () => told.push("connected"),
    onbroken: (trouble) => told.push(trouble),
  };
}

const created = (extra: Record<string, string> = {}) =>
  new Response(ANSWER, { status: 201, headers: { Location: "/whip/cam/s1", ETag: '"e1"', ...extra } });
const usual = (request: Request) =>
  request.method === "POST" ? created() : new Response(null, { status: 204 });
const candidate = (text: string) => ({ candidate: { candidate: text } });

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("MediaStream", class {});
  peer = new FakePeer();
  sent = [];
  told = [];
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a session", () => {
  it("is opened by one POST with the key, the ICE servers known before gathering begins", async () => {
    const link = '<stun:stun.example:3478>; rel="ice-server", <https://x/>; rel="help"';
    await WhipSession.open(options(() => created({ Link: link })));
    expect(sent).toEqual([
      {
        method: "POST",
        url: URL_,
        headers: { Authorization: "Bearer secret", "Content-Type": "application/sdp" },
        body: OFFER,
      },
    ]);
    expect(peer.configuration.iceServers).toEqual([{ urls: "stun:stun.example:3478" }]);
    expect(peer.localDescription?.sdp).toBe(OFFER);
    expect(peer.remote).toContain("profile-level-id=42e01f;x-google-start-bitrate=1000");
    expect(peer.senders.map(({ parameters }) => parameters.encodings[0]?.maxBitrate)).toEqual([
      undefined,
      2_000_000,
    ]);
  });

  it("trickles candidates in few requests, under the tag it was given", async () => {
    await WhipSession.open(options(usual));
    peer.onicecandidate?.(candidate("candidate:1 1 udp 1 10.0.0.1 5000 typ host"));
    peer.onicecandidate?.(candidate("candidate:2 1 udp 1 10.0.0.2 5000 typ host"));
    await vi.advanceTimersByTimeAsync(GATHER);
    peer.onicecandidate?.({ candidate: null });
    await vi.advanceTimersByTimeAsync(GATHER);
    const patches = sent.slice(1);
    expect(patches.map(({ method, url }) => [method, url])).toEqual([
      ["PATCH", `${URL_}/s1`],
      ["PATCH", `${URL_}/s1`],
    ]);
    expect(patches[0]?.headers).toEqual({
      Authorization: "Bearer secret",
      "Content-Type": "application/trickle-ice-sdpfrag",
      "If-Match": '"e1"',
    });
    expect(patches[0]?.body.split("\r\n").filter((line) => line.startsWith("a=candidate"))).toHaveLength(2);
    expect(patches[1]?.body).toContain("a=end-of-candidates");
  });

  it("stops trickling where the server does not take it", async () => {
    await WhipSession.open(
      options((request) => (request.method === "POST" ? created() : new Response(null, { status: 405 }))),
    );
    for (let i = 0; i < 3; i++) {
      peer.onicecandidate?.(candidate(`candidate:${i} 1 udp 1 10.0.0.1 5000 typ host`));
      await vi.advanceTimersByTimeAsync(GATHER);
    }
    expect(sent.filter(({ method }) => method === "PATCH")).toHaveLength(1);
  });

  it("is ended by DELETE, once", async () => {
    const session = await WhipSession.open(options(usual));
    session.close();
    session.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent.slice(1)).toEqual([
      { method: "DELETE", url: `${URL_}/s1`, headers: { Authorization: "Bearer secret" }, body: "" },
    ]);
    expect(peer.closed).toBe(true);
    peer.become("failed");
    expect(told).toEqual([]);
  });

  it("ends without the server's word where that does not come", async () => {
    const session = await WhipSession.open(
      options((request) => (request.method === "POST" ? created() : new Promise<Response>(() => undefined))),
    );
    session.close();
    expect(peer.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(FAREWELL);
    expect(peer.closed).toBe(true);
    peer = new FakePeer();
    (await WhipSession.open(options(usual))).close(true);
    expect(peer.closed).toBe(true);
  });

  it("puts another camera in without a new session", async () => {
    const session = await WhipSession.open(options(usual));
    const track = { kind: "video", label: "back" } as unknown as MediaStreamTrack;
    await session.swap(track);
    expect(peer.senders[1]?.track).toBe(track);
    expect(sent).toHaveLength(1);
  });
});

describe("a connection", () => {
  it("is told of once", async () => {
    await WhipSession.open(options(usual));
    peer.become("connecting");
    peer.become("connected");
    peer.become("connected");
    expect(told).toEqual(["connected"]);
  });

  it("may find another way for a while, and is given up then", async () => {
    await WhipSession.open(options(usual));
    peer.become("connected");
    peer.become("disconnected");
    await vi.advanceTimersByTimeAsync(HOPE - 1);
    peer.become("connected");
    await vi.advanceTimersByTimeAsync(HOPE);
    expect(told).toEqual(["connected"]);
    peer.become("disconnected");
    await vi.advanceTimersByTimeAsync(HOPE);
    expect(told).toEqual(["connected", "broke"]);
  });

  it("that never came to be is a matter of the way", async () => {
    await WhipSession.open(options(usual));
    peer.become("failed");
    expect(told).toEqual(["path"]);
  });
});

describe("a server that falls silent", () => {
  const patches = () => sent.filter(({ method }) => method === "PATCH");
  const answering = (status: () => number) => (request: Request) =>
    request.method === "POST" ? created() : new Response(null, { status: status() });

  async function live(answer: (request: Request) => Response | Promise<Response>): Promise<WhipSession> {
    const session = await WhipSession.open(options(answer));
    peer.become("connected");
    await vi.advanceTimersByTimeAsync(10 * LISTEN);
    expect(patches()).toEqual([]);
    peer.heard = false;
    return session;
  }

  it("and knows the session no more is left within three seconds, long before ICE gives up", async () => {
    await live(answering(() => 404));
    await vi.advanceTimersByTimeAsync(QUIET - LISTEN);
    expect(patches()).toEqual([]);
    await vi.advanceTimersByTimeAsync(2 * LISTEN);
    expect(told).toEqual(["connected", "broke"]);
    expect(patches()).toHaveLength(1);
    expect(patches()[0]?.headers["If-Match"]).toBe('"e1"');
    expect(patches()[0]?.body).not.toContain("a=candidate");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told).toEqual(["connected", "broke"]);
    expect(patches()).toHaveLength(1);
  });

  it("is asked until the part that knows is back", async () => {
    let status = 503;
    await live(answering(() => status));
    await vi.advanceTimersByTimeAsync(QUIET + 4 * LISTEN);
    expect(told).toEqual(["connected"]);
    status = 404;
    await vi.advanceTimersByTimeAsync(LISTEN);
    expect(told).toEqual(["connected", "broke"]);
  });

  it("is not waited for at one question", async () => {
    const base = options(usual);
    let asked = 0;
    const never = (signal: AbortSignal | null | undefined) =>
      new Promise<Response>((_resolve, reject) =>
        signal?.addEventListener("abort", () => reject(new Error("aborted"))),
      );
    await WhipSession.open({
      ...base,
      fetch: (url, init) => {
        if (init?.method !== "PATCH") return base.fetch(url, init);
        asked++;
        return never(init.signal);
      },
    });
    peer.become("connected");
    await vi.advanceTimersByTimeAsync(LISTEN);
    peer.heard = false;
    await vi.advanceTimersByTimeAsync(QUIET + 3 * (REPLY + LISTEN));
    expect(asked).toBeGreaterThanOrEqual(3);
    expect(told).toEqual(["connected"]);
  });

  it("but knows the session is let be: media may be on its way again", async () => {
    await live(answering(() => 204));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(told).toEqual(["connected"]);
    // Alive by its own word: not asked at every look.
    expect(patches().length).toBeLessThanOrEqual(30_000 / QUIET);
    peer.heard = true;
    sent = [];
    await vi.advanceTimersByTimeAsync(10_000);
    expect(patches()).toEqual([]);
  });

  it("is no longer asked where it refuses, or once the session is closed", async () => {
    const session = await live(answering(() => 401));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(patches()).toHaveLength(1);
    expect(told).toEqual(["connected"]);
    session.close();
    peer = new FakePeer();
    sent = [];
    (await live(answering(() => 503))).close();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(patches()).toEqual([]);
  });

  it("is left to ICE by browsers that count nothing", async () => {
    peer.counts = false;
    await live(answering(() => 404));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(patches()).toEqual([]);
    expect(told).toEqual(["connected"]);
  });

  it("is heard by what any browser counts", () => {
    const report = new Map<string, unknown>([
      ["a", { type: "candidate-pair", bytesReceived: 5, responsesReceived: 2 }],
      ["b", { type: "transport", bytesReceived: 5 }],
      ["c", { type: "outbound-rtp", bytesReceived: 99 }],
    ]);
    expect(received(report as unknown as RTCStatsReport)).toBe(12);
  });
});

describe("a refusal", () => {
  it.each([
    [401, "key"],
    [409, "taken"],
    [429, "limited"],
    [400, "refused"],
    [415, "refused"],
    [500, "away"],
    [503, "away"],
  ])("of %i means %s, and leaves nothing behind", async (status, trouble) => {
    expect(troubleOf(status)).toBe(trouble);
    const headers = { "Retry-After": "7" };
    const opening = WhipSession.open(options(() => new Response("{}", { status, headers })));
    await expect(opening).rejects.toMatchObject({ trouble, wait: 7_000 });
    expect(peer.closed).toBe(true);
    expect(sent.map(({ method }) => method)).toEqual(["POST"]);
  });

  it("for want of room is told from a server that is away", async () => {
    const body = JSON.stringify({ type: "/problems/full" });
    const opening = WhipSession.open(options(() => new Response(body, { status: 503 })));
    await expect(opening).rejects.toMatchObject({ trouble: "full" });
  });

  it("comes from the network as well, and from what is no WHIP server", async () => {
    const none = WhipSession.open(options(() => Promise.reject(new TypeError("no network"))));
    await expect(none).rejects.toMatchObject({ trouble: "away" });
    const page = WhipSession.open(options(() => new Response("<html>", { status: 200 })));
    await expect(page).rejects.toBeInstanceOf(WhipError);
  });

  it("is not waited for for ever", async () => {
    const opening = WhipSession.open({
      ...options(usual),
      fetch: (_, init) =>
        new Promise((_resolve, reject) => init?.signal?.addEventListener("abort", () => reject(new Error()))),
    });
    const refused = expect(opening).rejects.toMatchObject({ trouble: "away" });
    await vi.advanceTimersByTimeAsync(60_000);
    await refused;
  });
});

describe("texts of the protocol", () => {
  it("order codecs: H.264 in hardware first, then what else the server decodes", () => {
    const codec = (mimeType: string, sdpFmtpLine?: string) => ({
      mimeType,
      clockRate: 90_000,
      ...(sdpFmtpLine ? { sdpFmtpLine } : {}),
    });
    const high = codec("video/H264", "packetization-mode=1;profile-level-id=640c1f");
    const base = codec("video/H264", "packetization-mode=1;profile-level-id=42e01f");
    const single = codec("video/H264", "packetization-mode=0;profile-level-id=42e01f");
    const [vp8, rtx, av1] = [codec("video/VP8"), codec("video/rtx"), codec("video/AV1")];
    expect(preferred([vp8, rtx, high, av1, single, base])).toEqual([base, high, vp8, rtx]);
    expect(preferred([av1, rtx])).toEqual([]);
  });

  it("name ICE servers with their credentials, quotes and commas in them", () => {
    const link =
      '<turn:t.example:3478?transport=udp>; rel="ice-server"; username="a,b"; credential="c\\"d;e"; credential-type="password", <stun:s.example>; rel="ice-server"';
    expect(iceServers(link)).toEqual([
      { urls: "turn:t.example:3478?transport=udp", username: "a,b", credential: 'c"d;e' },
      { urls: "stun:s.example" },
    ]);
    expect(iceServers(null)).toEqual([]);
  });

  it("put candidates below the first section", () => {
    const found = [{ candidate: "candidate:1 1 udp 1 10.0.0.1 5000 typ host" }] as RTCIceCandidate[];
    expect(fragment(OFFER, found, false).split("\r\n")).toEqual([
      "a=ice-ufrag:abcd",
      "a=ice-pwd:0123456789012345678901",
      "m=audio 9 UDP/TLS/RTP/SAVPF 111",
      "a=mid:0",
      "a=candidate:1 1 udp 1 10.0.0.1 5000 typ host",
      "",
    ]);
  });

  it("leave an answer without a picture as it is", () => {
    expect(startingAt("v=0\r\nm=audio 9 x 1\r\na=fmtp:1 profile-level-id=1\r\n", 1)).not.toContain("google");
  });
});
