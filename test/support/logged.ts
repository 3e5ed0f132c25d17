/** A log whose lines a test reads, and waits for. */

import { EventEmitter, once } from 'node:events';
import { createLog, type Logger } from '../../src/cli/log.ts';

export interface Logged {
  readonly log: Logger;
  readonly lines: readonly string[];
  /** Resolves when a line that matches was logged. */
  readonly line: (pattern: RegExp) => Promise<void>;
}

export function logged(): Logged {
  const told = new EventEmitter();
  const lines: string[] = [];
  const write = (line: string) => {
    lines.push(line);
    told.emit('line');
  };
  const line = async (pattern: RegExp) => {
    while (!lines.some((text) => pattern.test(text))) await once(told, 'line');
  };
  return { log: createLog({ verbosity: 0, loggingFormat: 'text' }, { write }), lines, line };
}
