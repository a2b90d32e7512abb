import type { Channel } from "../api/client.ts";
import type { Storage } from "./attention.ts";

export interface Slice {
  readonly name: "recordings" | "isos" | "tape" | "exports" | "other";
  readonly bytes: number;
  /** Of the whole disk, 0 to 1. */
  readonly share: number;
}

/** What fills the disk, without what is free. */
export function slices(storage: Storage): readonly Slice[] {
  const recordings = Math.min(storage.recordings, storage.tape);
  const used = Math.max(0, storage.total - storage.free);
  const other = Math.max(0, used - storage.tape - storage.isos - storage.exports);
  const { isos, exports } = storage;
  const sizes = { recordings, isos, tape: storage.tape - recordings, exports, other };
  return (["recordings", "isos", "tape", "exports", "other"] as const).map((name) => ({
    name,
    bytes: sizes[name],
    share: storage.total > 0 ? Math.min(1, sizes[name] / storage.total) : 0,
  }));
}

/** Hours until old tape has to go, with the channels that are on air now; null where none is. */
export function hoursLeft(storage: Storage, channels: readonly Channel[]): number | null {
  const rate = channels
    .filter((channel) => channel.on_air && channel.settings !== null)
    .reduce((sum, { settings }) => {
      const rungs = settings?.ladder.reduce((bits, rung) => bits + rung.bitrate, 0) ?? 0;
      return sum + rungs + (settings?.audio_bitrate ?? 0);
    }, 0);
  return rate === 0 ? null : (Math.max(0, storage.free - storage.min_free) * 8) / rate / 3600;
}
