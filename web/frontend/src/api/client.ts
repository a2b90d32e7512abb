import { hear } from "../time/server.ts";
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
  /** Dotted path of the first value at fault. */
  readonly field?: string;
  /** All of them, where there are several. */
  readonly errors?: readonly { readonly field: string; readonly detail: string }[];
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

type Method = "post" | "put" | "patch" | "delete";
type SendPath<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in M]: { responses: unknown } } ? P : never;
}[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends { [K in M]: infer O } ? O : never;
// A field with a default looks required in the generated types; the server tells what is missing.
type Body<O> = O extends { requestBody: { content: { "application/json": infer B } } }
  ? Partial<B>
  : undefined;
type Reply<O> = O extends {
  responses: { [S in 200 | 201 | 202]?: { content: { "application/json": infer A } } };
}
  ? A
  : null;

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

export interface Asking extends GetOptions {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A signal that aborts with the caller's own, and after `PATIENCE`. Call `done` at the end. */
function patience(caller: AbortSignal | undefined) {
  const late = AbortSignal.timeout(PATIENCE);
  // AbortSignal.any is newer than the oldest browsers that play the streams.
  const either = new AbortController();
  const ends = new AbortController();
  for (const signal of caller === undefined ? [late] : [late, caller]) {
    if (signal.aborted) either.abort(signal.reason);
    signal.addEventListener("abort", () => either.abort(signal.reason), { signal: ends.signal });
  }
  return { signal: either.signal, late, done: () => ends.abort() };
}

/** One request with its time-out; gives the JSON of the answer, null where it has none. Rejects as `get` does. */
export async function ask(template: string, options: Asking): Promise<unknown> {
  const waiting = patience(options.signal);
  try {
    const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
    if (options.language !== undefined) headers["Accept-Language"] = options.language;
    const asked = Date.now();
    const response = await fetch(urlOf(template, options), {
      method: options.method,
      headers,
      body: options.body ?? null,
      signal: waiting.signal,
    });
    // What a cache kept carries the time of then.
    if (!response.headers.has("Age")) hear(response.headers.get("Date"), asked, Date.now());
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok) throw new ApiError("refused", response.status, problemFrom(body));
    if (body === null && response.status !== 204) throw new ApiError("network", response.status, null);
    return body;
  } catch (error) {
    if (error instanceof ApiError || options.signal?.aborted) throw error;
    throw new ApiError(waiting.late.aborted ? "timeout" : "network", 0, null, { cause: error });
  } finally {
    waiting.done();
  }
}

/**
 * GET of an API path, typed by the OpenAPI document. Rejects with `ApiError`: after eight seconds without an
 * answer, without a network, or when refused; with the signal's reason when the caller aborts.
 */
export async function get<P extends GetPath>(template: P, options: GetOptions = {}): Promise<Answer<P>> {
  return (await ask(template, { ...options, method: "GET" })) as Answer<P>;
}

export interface SendOptions extends GetOptions {
  /** The version that was seen (`version` of the thing): the change is refused when it has moved on. */
  readonly version?: number;
}

/** A change by the API, typed as `get` is; `body` is undefined where the operation takes none. Never tried twice. */
export async function send<M extends Method, P extends SendPath<M>>(
  method: M,
  template: P,
  body: Body<Operation<P, M>>,
  options: SendOptions = {},
): Promise<Reply<Operation<P, M>>> {
  const headers: Record<string, string> = {};
  if (options.version !== undefined) headers["If-Match"] = `"${options.version}"`;
  const asking: Asking =
    body === undefined
      ? { ...options, method: method.toUpperCase(), headers }
      : {
          ...options,
          method: method.toUpperCase(),
          headers: { ...headers, "Content-Type": "application/json" },
          body: JSON.stringify(body),
        };
  return (await ask(template, asking)) as Reply<Operation<P, M>>;
}
