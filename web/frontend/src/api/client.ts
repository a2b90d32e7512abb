import type { components, paths } from "./schema.d.ts";

export type Channel = components["schemas"]["Channel"];
export type Show = components["schemas"]["Show"];
export type ShowState = Show["state"];

/** What the API says when it refuses (RFC 9457). */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
}

export type Fault = "timeout" | "network" | "refused";

/** A request that did not work. `refused` carries the server's own sentence; the rest never reached it. */
export class ApiError extends Error {
  constructor(
    readonly fault: Fault,
    readonly status: number,
    readonly problem: ProblemBody | null,
    options?: ErrorOptions,
  ) {
    super(problem?.detail ?? problem?.title ?? fault, options);
    this.name = "ApiError";
  }
}

type GetPath = {
  [P in keyof paths]: paths[P] extends { get: { responses: { 200: unknown } } } ? P : never;
}[keyof paths];
type Answer<P extends GetPath> = paths[P] extends {
  get: { responses: { 200: { content: { "application/json": infer Body } } } };
}
  ? Body
  : never;

export interface GetOptions {
  /** Values of the path's `{name}`s. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly signal?: AbortSignal;
  readonly language?: string;
}

const PATIENCE = 8_000;

/** The URL of an API path with its names and query filled in; a name without a value is a mistake of ours. */
export function urlOf(template: string, options: Pick<GetOptions, "path" | "query"> = {}): string {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = options.path?.[name];
    if (value === undefined) throw new TypeError(`${template} needs a value for ${name}`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams(
    Object.entries(options.query ?? {}).map(([k, v]) => [k, String(v)]),
  ).toString();
  return query === "" ? path : `${path}?${query}`;
}

function problemFrom(body: unknown): ProblemBody | null {
  if (typeof body !== "object" || body === null) return null;
  const { type, title, status } = body as Partial<ProblemBody>;
  return typeof type === "string" && typeof title === "string" && typeof status === "number"
    ? (body as ProblemBody)
    : null;
}

/**
 * GET of an API path, typed by the OpenAPI document. Rejects with `ApiError`: after eight seconds without an
 * answer, without a network, or when refused; with the signal's reason when the caller aborts.
 */
export async function get<P extends GetPath>(template: P, options: GetOptions = {}): Promise<Answer<P>> {
  const late = AbortSignal.timeout(PATIENCE);
  // AbortSignal.any is newer than the oldest browsers that play the streams.
  const either = new AbortController();
  const abort = (signal: AbortSignal) => () => either.abort(signal.reason);
  const [onLate, onCaller] = [abort(late), options.signal && abort(options.signal)];
  late.addEventListener("abort", onLate);
  if (options.signal && onCaller) options.signal.addEventListener("abort", onCaller);
  try {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (options.language !== undefined) headers["Accept-Language"] = options.language;
    const response = await fetch(urlOf(template, options), { headers, signal: either.signal });
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok) throw new ApiError("refused", response.status, problemFrom(body));
    if (body === null) throw new ApiError("network", response.status, null);
    return body as Answer<P>;
  } catch (error) {
    if (error instanceof ApiError || options.signal?.aborted) throw error;
    throw new ApiError(late.aborted ? "timeout" : "network", 0, null, { cause: error });
  } finally {
    late.removeEventListener("abort", onLate);
    if (options.signal && onCaller) options.signal.removeEventListener("abort", onCaller);
  }
}
