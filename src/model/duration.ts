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
// In this order: ms is not m and the rest. There is one way only to take digits, and each part begins where the one before ended: a text
// may be an annotation of 256 KiB.
const part = new RegExp(`(\\d+(?:\\.\\d*)?|\\.\\d+)(${[...milliseconds.keys()].join('|')})`, 'gy');

/** Longest of Go's time.Duration, 2^63 - 1 nanoseconds. */
const longest = 2 ** 63 / 1e6;

/** Milliseconds of `30s`, `1m30s`, `1.5h`, `0`; undefined where Go's time.ParseDuration refuses the text. Negative ones are read. */
export function parseDuration(text: string): number | undefined {
  const [, sign, amount] = /^([+-]?)(.+)$/s.exec(text) ?? [];
  if (amount === undefined) return undefined;
  if (amount === '0') return 0;
  let sum = 0;
  let length = 0;
  for (const [found, number, unit] of amount.matchAll(part)) {
    sum += Number(number) * milliseconds.get(unit!)!;
    length += found.length;
  }
  if (length < amount.length || sum >= longest) return undefined;
  // Whole nanoseconds, as Go has them: 1.001 s is 1001 ms and not what floating point makes of it.
  const exact = Math.round(sum * 1e6) / 1e6;
  return sign === '-' && exact !== 0 ? -exact : exact;
}

/** As Go's time.Duration prints itself: `0s`, `1.5ms`, `30s`, `1m30s`, `24h0m0s`. From 0; below a nanosecond is nothing. */
export function durationText(duration: number): string {
  const nanoseconds = Math.round(duration * 1e6);
  if (nanoseconds === 0) return '0s';
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${decimal(nanoseconds, 3)}µs`;
  if (nanoseconds < 1e9) return `${decimal(nanoseconds, 6)}ms`;
  const minutes = Math.floor(nanoseconds / 6e10);
  const seconds = `${decimal(nanoseconds - minutes * 6e10, 9)}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

/** `amount` over ten to the power of `digits`, without zeros at the end. */
function decimal(amount: number, digits: number): string {
  const unit = 10 ** digits;
  const fraction = String(amount % unit)
    .padStart(digits, '0')
    .replace(/0+$/, '');
  return `${Math.floor(amount / unit)}${fraction === '' ? '' : `.${fraction}`}`;
}
