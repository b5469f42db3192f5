// Turns long records into lines that can be drawn.

export type Point = [x: number, y: number];

export interface Series {
  name: string;
  colour: string;
  points: Point[];
  dashed?: boolean;
  faint?: boolean;
}

export const COLOURS = ['var(--seal)', 'var(--indigo)', 'var(--ochre)', 'var(--pine)', 'var(--plum)'];

/** At most `most` points: neighbours are averaged, the first and the last kept. */
export function thin(points: Point[], most = 400): Point[] {
  if (points.length <= most) return points;
  const size = (points.length - 2) / (most - 2);
  const out: Point[] = [points[0] as Point];
  for (let i = 0; i < most - 2; i += 1) {
    const bucket = points.slice(1 + Math.floor(i * size), 1 + Math.floor((i + 1) * size));
    if (bucket.length === 0) continue;
    const sum = bucket.reduce<Point>((a, p) => [a[0] + p[0], a[1] + p[1]], [0, 0]);
    out.push([sum[0] / bucket.length, sum[1] / bucket.length]);
  }
  out.push(points[points.length - 1] as Point);
  return out;
}

/** Exponential moving average, forwards and backwards, so that a falling line is not drawn late. */
export function smooth(points: Point[], decay = 0.9): Point[] {
  const forth = average(points, decay);
  const back = average(points.toReversed(), decay).reverse();
  return forth.map(([x, y], i) => [x, (y + (back[i]?.[1] ?? y)) / 2]);
}

/** Corrected for its start, so that the first points are not pulled to zero. */
function average(points: Point[], decay: number): Point[] {
  let mean = 0;
  let weight = 0;
  return points.map(([x, y]) => {
    mean = decay * mean + (1 - decay) * y;
    weight = decay * weight + (1 - decay);
    return [x, mean / weight];
  });
}

/** Round numbers for an axis of ratios. */
export function logTicks(low: number, high: number): number[] {
  const out: number[] = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
    for (const m of [1, 1.5, 2, 3, 4, 6, 8]) if (m * power >= low && m * power <= high) out.push(m * power);
  }
  return out;
}

/** About `n` round numbers from `low` to `high`. */
export function ticks(low: number, high: number, n: number): number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / Math.max(1, n);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((m) => m * power >= rough) ?? 10) * power;
  const out: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i += 1) out.push(i * step);
  return out;
}
