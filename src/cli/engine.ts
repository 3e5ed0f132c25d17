/** How the JavaScript engine should use a process that reads a cluster once, and then sleeps nearly all the time. */

import { constants, type NodeGCPerformanceDetail, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';

/** Once the heap was collected, which it is when some megabytes of it are used, it may grow to so many times what is left. */
const growth = 8;

/** To be called before the first facts come: most of what a start keeps stays, and to look through it again and again is in vain. */
export function tuneForStart(): void {
  setFlagsFromString(`--heap-growing-percent=${100 * (growth - 1)}`);
  const observer = new PerformanceObserver((entries) => {
    if (!entries.getEntries().some(isOfWholeHeap)) return;
    setFlagsFromString('--heap-growing-percent=0');
    observer.disconnect();
  });
  observer.observe({ entryTypes: ['gc'] });
}

function isOfWholeHeap(entry: PerformanceEntry): boolean {
  return (entry as PerformanceEntry & GCEntry).detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}

interface GCEntry {
  readonly detail?: NodeGCPerformanceDetail;
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
