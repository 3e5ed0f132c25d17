/** What is wrong with objects, one line per object and problem, and never a flood: a cluster may hold thousands of the same kind. */

import type { ObjectName } from '../../model/cluster.ts';
import { abridged, printable } from '../../model/printable.ts';
import type { Consequence } from './known-objects.ts';

export interface ComplaintOptions {
  readonly onRemark: (level: 'warn' | 'error', message: string) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly steadyNow: () => number;
}

/** Lines in a minute. */
const mostLines = 20;
const minute = 60_000;

/** Problems of one object that a line tells. */
const mostFindings = 3;

/** Of one object a line says that much, in characters. */
const longestLine = 600;

export class Complaints {
  readonly #options: ComplaintOptions;
  /** By object, the last that was said of it. */
  readonly #said = new Map<ObjectName, string>();
  #minuteBegan = -Infinity;
  #lines = 0;

  constructor(options: ComplaintOptions) {
    this.#options = options;
  }

  about(kind: string, { name, isRefused, problems, warnings }: Consequence): void {
    const findings = [...problems, ...warnings];
    if (findings.length === 0) {
      if (name !== undefined) this.remove(name);
      return;
    }
    const object = name === undefined ? `a ${kind}` : `${kind} ${name}`;
    const said = findings.slice(0, mostFindings).map(({ message }) => message);
    const more = findings.length > said.length ? [`and ${findings.length - said.length} more`] : [];
    const stays = isRefused ? ['what was last known of it stays'] : [];
    const text = `${object}: ${[...said, ...more, ...stays].join('; ')}`;
    this.add(name ?? '', isRefused ? 'error' : 'warn', text);
  }

  /** `about` is what the problem belongs to; '' when it has no name. Says nothing that was said of it last. */
  add(about: ObjectName, level: 'warn' | 'error', message: string): void {
    if (this.#said.get(about) === message) return;
    const now = this.#options.steadyNow();
    if (now - this.#minuteBegan >= minute) {
      this.#minuteBegan = now;
      this.#lines = 0;
    }
    this.#lines++;
    if (this.#lines > mostLines) return;
    this.#said.set(about, message);
    this.#options.onRemark(level, printable(abridged(message, longestLine)));
    if (this.#lines === mostLines) {
      this.#options.onRemark(
        'warn',
        `${mostLines} lines about objects in a minute: the next are left out until it is over`,
      );
    }
  }

  /** Nothing is wrong with it, or it is gone: what comes next is said again. */
  remove(about: ObjectName): void {
    this.#said.delete(about);
  }
}
