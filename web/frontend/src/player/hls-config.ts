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

/** Tries at an even pace. `missing`: how often something that is not there (404) is asked for again. */
function patience(tries: number, everyMs: number, missing = tries): RetryConfig {
  return {
    maxNumRetry: tries,
    retryDelayMs: everyMs,
    maxRetryDelayMs: everyMs,
    backoff: "linear",
    shouldRetry: (
      config: RetryConfig | null | undefined,
      count: number,
      isTimeout: boolean,
      response: LoaderResponse | undefined,
    ) => {
      const code = response?.code ?? 0;
      return config != null && count < (code === 404 ? missing : tries) && (isTimeout || worthRetrying(code));
    },
  };
}

/**
 * hls.js as it is set for our streams. Latency follows the playlist's PART-HOLD-BACK: `liveSyncDuration` stays unset.
 *
 * The load policies carry a viewer over an origin that is silent for some seconds without an error that ends the
 * playback. hls.js counts the failures of all playlists together, so with a rung and the sound playing, 56 tries at 0.7 s
 * are 20 s. The source is reopened only after that. Parts that are not there died with a worker: few tries.
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
  // Cards come by the realtime topic; a text track for the playlists' date ranges would load from a data: address, which the
  // page's policy forbids.
  enableDateRangeMetadataCues: false,
  manifestLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 8_000,
      maxLoadTimeMs: 12_000,
      timeoutRetry: patience(1, 0),
      errorRetry: patience(3, 700),
    },
  },
  playlistLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 8_000,
      maxLoadTimeMs: 12_000,
      timeoutRetry: patience(6, 0),
      errorRetry: patience(56, 700),
    },
  },
  fragLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 6_000,
      maxLoadTimeMs: 20_000,
      timeoutRetry: patience(3, 0),
      errorRetry: patience(20, 500, 3),
    },
  },
};
