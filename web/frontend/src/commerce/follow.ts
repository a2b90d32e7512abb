import { type Placed, shownAt, untilNext } from "./moments.ts";

/** A picture that plays, or stands. */
export interface Picture {
  /** Its programme time, Unix milliseconds; null while it is not known. */
  readonly programme: number | null;
  /** Milliseconds of this machine's clock in which so many of programme pass; null while it stands. */
  lasts(programme: number): number | null;
}

/** The longest wait: who follows looks anew at least as often, and a player changes its speed while it catches up. */
const FAR = 1_000;
/** The shortest: a picture that stalls just before a moment is asked about no more often. */
const NEAR = 50;

/** Tells what is on a picture, at once and at each moment that it reaches within a second. Gives what ends it. */
export function following(
  line: readonly Placed[],
  picture: Picture,
  tell: (moment: Placed | null) => void,
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    const { programme } = picture;
    tell(shownAt(line, programme));
    const next = untilNext(line, programme);
    const wait = next === null ? null : picture.lasts(next);
    if (wait !== null && wait <= FAR) timer = setTimeout(look, Math.max(NEAR, wait));
  };
  look();
  return () => clearTimeout(timer);
}
