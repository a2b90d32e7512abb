/**
 * A WHIP client (RFC 9725). The offer is posted before it is set as the local description (§4.6): the servers that the
 * answer names for ICE are known when gathering begins, and candidates follow by PATCH (§4.3.1). The server restarts no
 * ICE, so a broken connection is a new session.
 */
import type { LineTrouble } from "./state.ts";

/** Why there is no session. `wait`: milliseconds that the server asks for. */
export class WhipError extends Error {
  constructor(
    readonly trouble: LineTrouble,
    readonly wait = 0,
    options?: ErrorOptions,
  ) {
    super(trouble, options);
    this.name = "WhipError";
  }
}

export interface WhipOptions {
  /** Where offers are posted. */
  readonly url: string;
  readonly key: string;
  readonly tracks: readonly MediaStreamTrack[];
  /** Bits per second of the picture. */
  readonly bitrate: number;
  readonly makePeer: (configuration: RTCConfiguration) => RTCPeerConnection;
  readonly fetch: typeof fetch;
  /** Connected, or broken; told once each at most. */
  readonly onconnected: () => void;
  readonly onbroken: (trouble: LineTrouble) => void;
  /** Codecs this browser can send, in its order; null where it does not tell. */
  readonly codecs?: readonly RTCRtpCodec[] | null;
}

/** Milliseconds for one request: the server waits up to twelve seconds for its own address servers. */
export const PATIENCE = 15_000;
/** A connection that is `disconnected` may find another way for so long (Wi-Fi to mobile), then a new session is faster. */
export const HOPE = 4_000;
/** Milliseconds between two looks at whether the server is heard. */
export const LISTEN = 500;
/** A server that receives reports every second and a half at the latest (RTCP): once silent for longer, it is asked by HTTP. */
export const QUIET = 1_750;
/** Milliseconds for that answer, which comes once the part of the server that knows is there; then it is asked anew. */
export const REPLY = 4_000;
/** Candidates of so many milliseconds go in one PATCH. */
export const GATHER = 60;
/** Milliseconds that a connection outlives its end at most, while the server is told. */
export const FAREWELL = 1_000;
const SDP = "application/sdp";
const FRAGMENT = "application/trickle-ice-sdpfrag";

/** What the server's refusal means. */
export function troubleOf(status: number): LineTrouble {
  if (status === 401 || status === 403 || status === 404) return "key";
  if (status === 409) return "taken";
  if (status === 429) return "limited";
  return status >= 500 || status === 408 ? "away" : "refused";
}

/** H.264 first, as it came; then what else the server decodes, then helpers like rtx. Empty where nothing would fit. */
export function preferred(codecs: readonly RTCRtpCodec[]): RTCRtpCodec[] {
  const rank = (codec: RTCRtpCodec): number => {
    const name = codec.mimeType.toLowerCase();
    if (name === "video/h264") return /packetization-mode=1/.test(codec.sdpFmtpLine ?? "") ? h264(codec) : 9;
    if (name === "video/vp8") return 3;
    return /^video\/(rtx|red|ulpfec|flexfec-03)$/.test(name) ? 4 : 9;
  };
  const kept = codecs.filter((codec) => rank(codec) < 9);
  const media = kept.some((codec) => rank(codec) < 4);
  return media ? kept.sort((a, b) => rank(a) - rank(b)) : [];
}

/** Constrained baseline first: every phone encodes it in hardware. */
function h264(codec: RTCRtpCodec): number {
  return /profile-level-id=42[ce]0/i.test(codec.sdpFmtpLine ?? "") ? 0 : 1;
}

const LINK = /<([^>]+)>((?:\s*;\s*[\w-]+=(?:"(?:[^"\\]|\\.)*"|[^\s;,"]+))*)/g;
const PARAMETER = /([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))/g;

/** Parameters of a link (RFC 8288 §3), quotes taken off. */
function parameters(text: string): Record<string, string> {
  const found = [...text.matchAll(PARAMETER)];
  return Object.fromEntries(
    found.map(([, name = "", quoted, bare = ""]) => [name, quoted?.replace(/\\(.)/g, "$1") ?? bare]),
  );
}

/** ICE servers of `Link` headers (RFC 9725 §4.6). */
export function iceServers(link: string | null): RTCIceServer[] {
  return [...(link ?? "").matchAll(LINK)]
    .map(([, urls = "", rest = ""]) => ({ urls, ...parameters(rest) }) as Record<string, string>)
    .filter(({ rel }) => rel === "ice-server")
    .map(({ urls = "", username, credential }) =>
      username === undefined || credential === undefined ? { urls } : { urls, username, credential },
    );
}

/**
 * The answer with a word to Chromium's encoder to begin at so many bits a second. By itself it begins at 300 kb/s, and
 * without the server's transport-wide feedback it takes half a minute to the full picture. Others pass it over.
 */
export function startingAt(answer: string, bitrate: number): string {
  const video = answer.indexOf("\nm=video");
  if (video < 0) return answer;
  const hint = `;x-google-start-bitrate=${Math.round(bitrate / 1000)}`;
  return (
    answer.slice(0, video) +
    answer.slice(video).replace(/^(a=fmtp:\d+ [^\r\n]*profile-level-id=[^\r\n]*)/m, `$1${hint}`)
  );
}

/** The body of a PATCH (RFC 8840 §9): candidates of one ICE generation below the section they belong to. */
export function fragment(description: string, candidates: readonly RTCIceCandidate[], done: boolean): string {
  const line = (name: string) => new RegExp(`^a=${name}:.*$`, "m").exec(description)?.[0].trim();
  const first = /^m=.*$/m.exec(description)?.[0].trim() ?? "m=audio 9 UDP/TLS/RTP/SAVPF 0";
  const lines = [line("ice-ufrag"), line("ice-pwd"), first, line("mid")].filter((each) => each !== undefined);
  // All tracks share one transport, so candidates of any of them are those of the first section.
  const told = candidates.map(({ candidate }) => `a=${candidate}`);
  return [...lines, ...told, ...(done ? ["a=end-of-candidates"] : []), ""].join("\r\n");
}

/** What came from the server so far, media's reports and ICE's answers, by whatever the browser counts; only its rise means something. */
export function received(report: RTCStatsReport): number {
  let sum = 0;
  report.forEach((entry: { type?: string; bytesReceived?: number; responsesReceived?: number }) => {
    if (entry.type === "candidate-pair") sum += (entry.bytesReceived ?? 0) + (entry.responsesReceived ?? 0);
    if (entry.type === "transport") sum += entry.bytesReceived ?? 0;
  });
  return sum;
}

async function request(
  options: WhipOptions,
  url: string,
  init: RequestInit,
  patience = PATIENCE,
): Promise<Response> {
  const headers = { Authorization: `Bearer ${options.key}`, ...(init.headers as Record<string, string>) };
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), patience);
  try {
    return await options.fetch(url, { ...init, headers, signal: late.signal });
  } catch (error) {
    throw new WhipError("away", 0, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function refusal(response: Response, problem: unknown): WhipError {
  const seconds = Number(response.headers.get("Retry-After") ?? "0");
  const wait = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
  const type = (problem as { type?: unknown } | null)?.type;
  const full = typeof type === "string" && type.endsWith("/full");
  return new WhipError(full ? "full" : troubleOf(response.status), wait);
}

/** One session: made by `open`, ended by `close`. */
export class WhipSession {
  readonly #options: WhipOptions;
  readonly #peer: RTCPeerConnection;
  #location = "";
  #etag: string | null = null;
  #trickles = true;
  #waiting: RTCIceCandidate[] = [];
  #gathered = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #hope: ReturnType<typeof setTimeout> | null = null;
  #listening: ReturnType<typeof setInterval> | null = null;
  #asking = false;
  #received = 0;
  #heardAt = 0;
  #told = false;
  #closed = false;

  private constructor(options: WhipOptions) {
    this.#options = options;
    this.#peer = options.makePeer({ bundlePolicy: "max-bundle" });
  }

  /** Opens a session. Rejects with `WhipError`; nothing is left behind then. */
  static async open(options: WhipOptions): Promise<WhipSession> {
    const session = new WhipSession(options);
    try {
      await session.#open();
      return session;
    } catch (error) {
      session.close();
      if (error instanceof WhipError) throw error;
      throw new WhipError("refused", 0, { cause: error });
    }
  }

  async #open(): Promise<void> {
    const { tracks, url } = this.#options;
    const peer = this.#peer;
    const stream = new MediaStream([...tracks]);
    for (const track of tracks) {
      const transceiver = peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
      if (track.kind === "video") this.#prefer(transceiver);
    }
    peer.onconnectionstatechange = () => this.#changed();
    peer.onicecandidate = ({ candidate }) => this.#found(candidate);
    const offer = await peer.createOffer();
    const response = await request(this.#options, url, {
      method: "POST",
      headers: { "Content-Type": SDP },
      body: offer.sdp ?? "",
    });
    if (response.status !== 201) throw refusal(response, await response.json().catch(() => null));
    const location = response.headers.get("Location");
    if (location === null) throw new WhipError("refused");
    this.#location = new URL(location, new URL(url, globalThis.location?.href)).href;
    this.#etag = response.headers.get("ETag");
    const servers = iceServers(response.headers.get("Link"));
    if (servers.length > 0) peer.setConfiguration({ ...peer.getConfiguration(), iceServers: servers });
    const answer = await response.text();
    if (this.#closed) return;
    await peer.setLocalDescription(offer);
    await peer.setRemoteDescription({ type: "answer", sdp: startingAt(answer, this.#options.bitrate / 2) });
    await this.limit(this.#options.bitrate);
  }

  #prefer(transceiver: RTCRtpTransceiver): void {
    const order = preferred(this.#options.codecs ?? []);
    // Browsers without it (Firefox before 128) offer H.264 anyway; the server takes it before VP8.
    if (order.length > 0) transceiver.setCodecPreferences?.(order);
  }

  /** Bounds the picture's bit rate; what the browser does not take is let be. */
  async limit(bitrate: number): Promise<void> {
    const sender = this.#sender("video");
    const parameters = sender?.getParameters();
    if (sender === undefined || !parameters?.encodings?.length) return;
    for (const encoding of parameters.encodings) encoding.maxBitrate = bitrate;
    // A face that moves is better soft than jerky.
    parameters.degradationPreference = "maintain-framerate";
    await sender.setParameters(parameters).catch(() => undefined);
  }

  /** Sends another track of the same kind from now on, without a new session. */
  async swap(track: MediaStreamTrack): Promise<void> {
    await this.#sender(track.kind)?.replaceTrack(track);
  }

  stats(): Promise<RTCStatsReport> {
    return this.#peer.getStats();
  }

  /** Ends the session and tells the server; `leaving`: the page goes away. More than once does no harm. */
  close(leaving = false): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of [this.#timer, this.#hope]) if (timer !== null) clearTimeout(timer);
    this.#deaf();
    const peer = this.#peer;
    peer.onconnectionstatechange = peer.onicecandidate = null;
    const told = this.#location;
    this.#location = "";
    if (told === "") {
      peer.close();
      return;
    }
    // First the word, then the silence: the server would call it a broken session. One that cannot be told finds out.
    request(this.#options, told, { method: "DELETE", keepalive: leaving })
      .catch(() => undefined)
      .finally(() => peer.close());
    if (leaving) peer.close();
    else setTimeout(() => peer.close(), FAREWELL);
  }

  #sender(kind: string): RTCRtpSender | undefined {
    return this.#peer
      .getTransceivers()
      .map(({ sender }) => sender)
      .find((sender) => sender.track?.kind === kind);
  }

  #changed(): void {
    const state = this.#peer.connectionState;
    if (this.#hope !== null) clearTimeout(this.#hope);
    this.#hope = null;
    if (state === "connected" && !this.#told) {
      this.#told = true;
      this.#heardAt = performance.now();
      this.#listening = setInterval(() => void this.#listen(), LISTEN);
      this.#options.onconnected();
    } else if (state === "disconnected") {
      this.#hope = setTimeout(() => this.#options.onbroken("broke"), HOPE);
    } else if (state === "failed" || state === "closed") {
      this.#options.onbroken(this.#told ? "broke" : "path");
    }
  }

  /**
   * Asks a server that fell silent whether it still knows the session: a killed server knows none once it is back, and
   * ICE would take many seconds to find out. Where the network itself is away no answer comes, and ICE decides.
   */
  async #listen(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const now = received(await this.#peer.getStats());
      if (now !== this.#received) {
        this.#received = now;
        this.#heardAt = performance.now();
      }
      // Browsers that count nothing leave it to ICE.
      if (this.#received > 0 && performance.now() - this.#heardAt >= QUIET) await this.#ask();
    } catch {
      // No statistics, or no way to the server: asked again at the next look.
    } finally {
      this.#asking = false;
    }
  }

  /** A PATCH without candidates (RFC 9725 §4.3.1) changes nothing, and 404 says that the session is no more. */
  async #ask(): Promise<void> {
    const description = this.#peer.localDescription?.sdp;
    if (this.#closed || !this.#trickles || description === undefined) return;
    const { status } = await request(
      this.#options,
      this.#location,
      this.#patch(description, [], false),
      REPLY,
    );
    if (this.#closed || status >= 500) return;
    if (status === 404 || status === 410) {
      this.#deaf();
      this.#options.onbroken("broke");
    } else if (status >= 400) this.#deaf();
    else this.#heardAt = performance.now();
  }

  #deaf(): void {
    if (this.#listening !== null) clearInterval(this.#listening);
    this.#listening = null;
  }

  #patch(description: string, candidates: readonly RTCIceCandidate[], done: boolean): RequestInit {
    const headers: Record<string, string> = { "Content-Type": FRAGMENT };
    if (this.#etag !== null) headers["If-Match"] = this.#etag;
    return { method: "PATCH", headers, body: fragment(description, candidates, done) };
  }

  #found(candidate: RTCIceCandidate | null): void {
    // An empty candidate ends one generation of one transport; null ends all.
    if (candidate === null) this.#gathered = true;
    else if (candidate.candidate !== "") this.#waiting.push(candidate);
    if (this.#trickles) this.#timer ??= setTimeout(() => void this.#trickle(), GATHER);
  }

  async #trickle(): Promise<void> {
    this.#timer = null;
    const candidates = this.#waiting.splice(0);
    const description = this.#peer.localDescription?.sdp;
    if (this.#closed || description === undefined || (candidates.length === 0 && !this.#gathered)) return;
    const patch = this.#patch(description, candidates, this.#gathered);
    try {
      const response = await request(this.#options, this.#location, patch);
      // 405 and 501 say that candidates are not taken (§4.3.1); the checks that we send reach the server anyway.
      if (response.status >= 400) this.#trickles = false;
    } catch {
      // Without them the server still sees where our checks come from; a network that is gone is found out by ICE.
    }
  }
}
