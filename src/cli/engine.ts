/** How the JavaScript engine should use a process that sleeps nearly all the time and now and then reads a cluster. */

import { setFlagsFromString } from 'node:v8';

/**
 * What runs a few thousand times is interpreted: to compile it costs more than it saves before it is done (a fifth of a cold start of
 * 5 000 Services). And no more room for young objects after a start has made many: it would stay (20 MB at 1 000 Services).
 */
export function tuneForDaemon(): void {
  setFlagsFromString(hasInterruptBudget() ? '--interrupt-budget=2000000' : '--no-opt');
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** V8 11 of Node 20 has it; V8 12 and later count calls by other flags, and Node 22 has a second, cheap compiler beside. */
function hasInterruptBudget(): boolean {
  return Number.parseInt(process.versions.v8, 10) < 12;
}
