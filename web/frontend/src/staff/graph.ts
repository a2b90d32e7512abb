/** One reading of a rate. */
export interface Sample {
  /** Unix milliseconds. */
  readonly at: number;
  /** Bits per second. */
  readonly rate: number;
}

/** What the graph shows, milliseconds. */
export const SPAN = 5 * 60_000;
/** Readings further apart than this are not joined by a line: nobody knows what was between. */
export const HOLE = 15_000;
/** Readings closer than this say nothing new. */
const NEAREST = 900;

/** The readings with one more; old ones leave. The list stays below `SPAN / NEAREST` entries whatever comes. */
export function joined(samples: readonly Sample[], next: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && next.at - last.at < NEAREST) return samples;
  // One that is a little too old stays, so that the line reaches the edge.
  const first = samples.findIndex((sample) => sample.at >= next.at - SPAN);
  return [...samples.slice(first < 0 ? samples.length : Math.max(0, first - 1)), next];
}

/** A round number at least as large as every rate, so that the scale rests while rates move: 1, 2, 5, 10, … */
export function ceiling(samples: readonly Sample[], least = 100_000): number {
  const most = Math.max(least, ...samples.map((sample) => sample.rate));
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((scale) => scale >= most) ?? most;
}

export interface Drawing {
  /** The line, as an SVG path. */
  readonly line: string;
  /** The same, closed along the ground. */
  readonly area: string;
}

/**
 * The readings up to `now` in a box of `width` × `height` units; the newest is at its right edge. `span` is what the box is
 * wide in time, `hole` what is not joined, `top` what it is high.
 */
export function drawn(
  samples: readonly Sample[],
  now: number,
  width: number,
  height: number,
  { span = SPAN, hole = HOLE, top = ceiling(samples) } = {},
): Drawing {
  const x = (at: number) => Math.round((width - ((now - at) / span) * width) * 10) / 10;
  const y = (rate: number) => Math.round((height - (rate / top) * height) * 10) / 10;
  let line = "";
  let area = "";
  let run: Sample[] = [];
  const close = () => {
    const [first, last] = [run[0], run.at(-1)];
    if (first === undefined || last === undefined || first === last) return;
    const points = run.map((sample) => `${x(sample.at)} ${y(sample.rate)}`);
    line += `M${points.join("L")}`;
    area += `M${x(first.at)} ${height}L${points.join("L")}L${x(last.at)} ${height}Z`;
  };
  for (const sample of samples) {
    const before = run.at(-1);
    if (before !== undefined && sample.at - before.at > hole) {
      close();
      run = [];
    }
    run.push(sample);
  }
  close();
  return { line, area };
}
