/** Times as Go's encoding/json and Kubernetes write them, always in UTC. */

/** RFC 3339 with as many digits of a second as it needs, nanoseconds at most: Go's time.RFC3339Nano. `milliseconds` since 1970. */
export function rfc3339Nano(milliseconds: number): string {
  const { second, nanoseconds } = split(milliseconds, 1);
  const digits = nanoseconds.replace(/0+$/, '');
  return digits === '' ? `${second}Z` : `${second}.${digits}Z`;
}

/** RFC 3339 with exactly six digits: metav1.MicroTime of k8s.io/apimachinery. */
export function rfc3339Micro(milliseconds: number): string {
  const { second, nanoseconds } = split(milliseconds, 1000);
  return `${second}.${nanoseconds.slice(0, 6)}Z`;
}

/** What Go writes for a time that was never set. */
export const zeroTime = '0001-01-01T00:00:00Z';

/** `2026-11-21T14:42:52` and the nine digits behind it, rounded to `unit` nanoseconds. */
function split(milliseconds: number, unit: number): { readonly second: string; readonly nanoseconds: string } {
  const whole = Math.floor(milliseconds / 1000);
  const rest = Math.round(((milliseconds - whole * 1000) * 1e6) / unit) * unit;
  const carry = Math.floor(rest / 1e9);
  const second = new Date((whole + carry) * 1000).toISOString().slice(0, 19);
  return { second, nanoseconds: String(rest - carry * 1e9).padStart(9, '0') };
}
