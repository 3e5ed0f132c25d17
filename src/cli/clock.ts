/** Milliseconds that never go back, whatever becomes of the time of day. */
export function steadyNow(): number {
  return performance.now();
}
