/** Cameras and microphones: what is asked of the browser, and what its refusals mean. */
import type { CaptureTrouble } from "./state.ts";

export type Shape = "portrait" | "landscape";
export type Quality = "normal" | "saving";

export interface Wish {
  /** Device ids; empty takes what the browser thinks best. */
  readonly camera: string;
  readonly microphone: string;
  /** Which way the camera looks, where none was picked. */
  readonly facing: "user" | "environment";
  readonly shape: Shape;
  readonly quality: Quality;
}

/** Longer and shorter side, pictures a second, bits a second: what a phone encodes in hardware and mobile networks carry. */
export const QUALITIES: Readonly<
  Record<Quality, { long: number; short: number; rate: number; bitrate: number }>
> = {
  normal: { long: 1280, short: 720, rate: 30, bitrate: 2_500_000 },
  saving: { long: 960, short: 540, rate: 30, bitrate: 1_000_000 },
};

/**
 * A phone or tablet turns its picture with its body, so that it is asked for the sensor's long side as the width and
 * held the way it shall be seen. Other cameras stand still: an upright picture is cut out of theirs.
 */
export function handheld(agent: { userAgent: string; mobile?: boolean; touchPoints?: number }): boolean {
  if (agent.mobile === true || /Android|iPhone|iPad|iPod/.test(agent.userAgent)) return true;
  // iPadOS calls itself a Mac; Macs have no touch screen.
  return /Macintosh/.test(agent.userAgent) && (agent.touchPoints ?? 0) > 1;
}

export function videoConstraints(wish: Wish, held: boolean): MediaTrackConstraints {
  const { long, short, rate } = QUALITIES[wish.quality];
  const upright = wish.shape === "portrait" && !held;
  const which =
    wish.camera === "" ? { facingMode: { ideal: wish.facing } } : { deviceId: { exact: wish.camera } };
  return {
    ...which,
    width: { ideal: upright ? short : long },
    height: { ideal: upright ? long : short },
    frameRate: { ideal: rate, max: rate },
    // An upright picture of a camera that has none is cut out, not squeezed.
    ...(upright ? { aspectRatio: { ideal: short / long } } : {}),
  };
}

export function audioConstraints(wish: Wish): MediaTrackConstraints {
  const which = wish.microphone === "" ? {} : { deviceId: { exact: wish.microphone } };
  return { ...which, echoCancellation: true, noiseSuppression: true, autoGainControl: true };
}

/** What stands in the way before anything was asked; null where nothing does. */
export function obstacle(page: {
  isSecureContext: boolean;
  canCapture: boolean;
  canSend: boolean;
}): CaptureTrouble | null {
  if (!page.isSecureContext) return "insecure";
  return page.canCapture && page.canSend ? null : "unsupported";
}

/** What the refusal of getUserMedia means (Media Capture and Streams §10.2, and names of older browsers). */
export function captureTroubleOf(error: unknown): CaptureTrouble {
  switch ((error as { name?: unknown } | null)?.name) {
    case "NotAllowedError":
    case "PermissionDeniedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "DevicesNotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return "busy";
    default:
      return "broken";
  }
}

export interface Captured {
  readonly stream: MediaStream;
  /** There is no microphone: the picture goes without sound. */
  readonly silent: boolean;
}

const named = (error: unknown, ...names: string[]) =>
  names.includes(String((error as { name?: unknown } | null)?.name));

/** Opens camera and microphone; a picked device that is gone is replaced, a microphone that there is not left out. */
export async function capture(devices: MediaDevices, wish: Wish, held: boolean): Promise<Captured> {
  const ask = async (using: Wish, sound: boolean): Promise<Captured> => ({
    stream: await devices.getUserMedia({
      video: videoConstraints(using, held),
      audio: sound && audioConstraints(using),
    }),
    silent: !sound,
  });
  try {
    return await ask(wish, true);
  } catch (error) {
    if (!named(error, "NotFoundError", "DevicesNotFoundError", "OverconstrainedError")) throw error;
  }
  const any: Wish = { ...wish, camera: "", microphone: "" };
  try {
    return await ask(any, true);
  } catch (error) {
    if (!named(error, "NotFoundError", "DevicesNotFoundError")) throw error;
  }
  return await ask(any, false);
}

/** Whether the preview is shown as in a mirror: it is, where somebody looks at themselves. */
export function mirrored(facing: string | undefined, label: string, held: boolean): boolean {
  if (facing !== undefined && facing !== "") return facing === "user";
  if (held) return false;
  return !/virtual|capture|obs|cam link|hdmi|rear|back/i.test(label);
}
