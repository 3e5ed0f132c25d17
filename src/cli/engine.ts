/** How the JavaScript engine should use a process that reads a cluster once, and then sleeps nearly all the time. */

import { setFlagsFromString } from 'node:v8';

/** No more room for young objects after a start has made many: it would stay (20 MB at 1 000 Services). */
export function tuneForDaemon(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * To be called after the first pass. From then on V8 compiles next to nothing, and interprets what it has not compiled yet: what follows
 * is short, and compiling for it would take memory, and 4 % of a processor of an idle daemon. Until then compiling pays: it saves a fifth
 * to a third of a cold start with 5 000 Services.
 */
export function tuneForChanges(): void {
  setFlagsFromString(hasInterruptBudget() ? '--interrupt-budget=2000000' : '--no-opt');
}

/** V8 11 of Node 20 has it; V8 12 and later count calls by other flags, and Node 22 has a second, cheap compiler beside. */
function hasInterruptBudget(): boolean {
  return Number.parseInt(process.versions.v8, 10) < 12;
}
