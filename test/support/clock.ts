/** Time as tests tell it. */
export class Clock {
  /** Milliseconds. */
  time = 1_000;

  readonly now = (): number => this.time;

  pass(milliseconds: number): void {
    this.time += milliseconds;
  }

  /** Forward to a moment; a moment that is over changes nothing. */
  passTo(moment: number): void {
    this.time = Math.max(this.time, moment);
  }
}
