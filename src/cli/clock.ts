/** Clocks that nobody sets: how long ago something happened stays right when the time of day is corrected. */

/** Milliseconds since the process began; they never go back. */
export function steadyNow(): number {
  return performance.now();
}

/** Milliseconds since 1970, as if the time of day had been right when the process began. */
export function steadyTime(): number {
  return performance.timeOrigin + steadyNow();
}

/** What such times are by the time of day as it is now. Corrections of less than half a second are none, so that what stays is told the same. */
export function asOfNow(): (time: number) => number {
  const correction = 1000 * Math.round((Date.now() - steadyTime()) / 1000);
  return (time) => Math.max(0, Math.round(time + correction));
}
