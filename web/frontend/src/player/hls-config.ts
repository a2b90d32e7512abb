import type { HlsConfig, LoaderResponse, RetryConfig } from "hls.js";

/**
 * Which answers are worth asking again. hls.js leaves 4xx and answers that never came (status 0) alone; here a
 * restarting worker or web process shows as exactly those for a few seconds: refused connections (0), 404 for parts
 * that died with the worker, 429, 503, 504.
 */
export function worthRetrying(status: number): boolean {
  return (
    status === 0 || status === 404 || status === 408 || status === 425 || status === 429 || status >= 500
  );
}

function patience(tries: number, firstMs: number, slowestMs: number): RetryConfig {
  return {
    maxNumRetry: tries,
    retryDelayMs: firstMs,
    maxRetryDelayMs: slowestMs,
    backoff: "linear",
    shouldRetry: (
      config: RetryConfig | null | undefined,
      count: number,
      isTimeout: boolean,
      response: LoaderResponse | undefined,
    ) => config != null && count < config.maxNumRetry && (isTimeout || worthRetrying(response?.code ?? 0)),
  };
}

/**
 * hls.js as it is set for our streams. Latency follows the playlist's PART-HOLD-BACK: `liveSyncDuration` stays unset.
 *
 * The load policies carry a viewer over an origin that is silent for six seconds without an error that ends the
 * playback: playlists (held up to six seconds by the server while a worker is replaced) are asked for every
 * half second to two seconds, for about 20 s. The source is reopened only after that.
 */
export const HLS_CONFIG: Partial<HlsConfig> = {
  lowLatencyMode: true,
  maxLiveSyncPlaybackRate: 1.1,
  backBufferLength: 30,
  capLevelToPlayerSize: true,
  // Our segments are two seconds: a rung that fits the line is found after the first.
  abrEwmaDefaultEstimate: 1_500_000,
  // The playlists' own clock and programme times are all we use of the metadata.
  enableID3MetadataCues: false,
  enableEmsgMetadataCues: false,
  manifestLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 8_000,
      maxLoadTimeMs: 12_000,
      timeoutRetry: patience(1, 0, 0),
      errorRetry: patience(2, 500, 1_500),
    },
  },
  playlistLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 8_000,
      maxLoadTimeMs: 12_000,
      timeoutRetry: patience(3, 0, 0),
      errorRetry: patience(12, 500, 2_000),
    },
  },
  fragLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 6_000,
      maxLoadTimeMs: 20_000,
      timeoutRetry: patience(3, 0, 0),
      errorRetry: patience(6, 500, 2_000),
    },
  },
};
