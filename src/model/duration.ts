/** Durations as Go writes them, which is how kube-proxy's flags and Kubernetes' annotations do. */

const milliseconds: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);
const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Longest of Go's time.Duration, 2^63 - 1 nanoseconds. */
const longest = 2 ** 63 / 1e6;

/** Milliseconds of `30s`, `1m30s`, `1.5h`, `0`; undefined where Go's time.ParseDuration refuses the text. Negative ones are read. */
export function parseDuration(text: string): number | undefined {
  const [, sign, amount] = /^([+-]?)(.+)$/s.exec(text) ?? [];
  if (amount === undefined) return undefined;
  if (amount === '0') return 0;
  if (amount.replace(part, '') !== '') return undefined;
  let sum = 0;
  for (const [, number, unit] of amount.matchAll(part)) sum += Number(number) * milliseconds.get(unit!)!;
  if (sum >= longest) return undefined;
  return sign === '-' ? -sum : sum;
}
