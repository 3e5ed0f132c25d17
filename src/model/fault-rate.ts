/** How often what is asked of the kernel fails on purpose, in tests. */
export interface FaultRate {
  /** A whole number: the same seed and the same requests have the same faults. */
  readonly seed: number;
  /** The part of all operations, reads and exchanges that suffers; 0 to 1. */
  readonly rate: number;
}
