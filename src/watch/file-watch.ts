/**
 * Files and folders, live. Looks at them again and again instead of asking for notifications: inotify follows inodes, and says
 * nothing of what a name leads to after a ConfigMap volume's `..data` was exchanged, of paths that are not there yet, or of
 * network file systems.
 */

import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pace } from './pace.ts';

export interface FileWatchOptions {
  /** Called when files are no longer as they were when the watch began, or when this was last called. */
  readonly onChange: () => void;
  /** Between two looks at few files; 1000 by default. */
  readonly intervalMilliseconds?: number;
  /** Which files of a folder matter, by their names; all by default. */
  readonly isOfInterest?: (name: string) => boolean;
}

/** Milliseconds without a further change, after which one is told. */
export const quietMilliseconds = 200;

/** A file that never stops changing is told after so many looks: half a minute, in which whoever writes slowly should be done. */
const mostUnquietLooks = 150;

/**
 * Milliseconds of pause for each file and folder: a look at one takes about 5 µs, so that looking takes a thousandth of one core
 * at most, however many there are. 200 of them fit into the usual pause.
 */
const pausePerEntry = 5;

/**
 * Tells when what is found at the paths changes: files and, in folders, all files of interest and folders whose names do not begin
 * with a dot, through symbolic links. What changed before the constructor returned is not told. Never throws.
 */
export class FileWatch {
  readonly #paths: readonly string[];
  readonly #options: FileWatchOptions;
  #told: string;
  #seen: string;
  #unquietLooks = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Looks at once. O(files). */
  constructor(paths: readonly string[], options: FileWatchOptions) {
    this.#paths = paths;
    this.#options = options;
    const found = new Findings();
    for (const finding of findings(paths, options)) found.add(finding);
    this.#seen = found.digest();
    this.#told = this.#seen;
    this.#lookIn(this.#pause(found.count));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #pause(entries: number): number {
    return Math.max(this.#options.intervalMilliseconds ?? 1000, entries * pausePerEntry);
  }

  #lookIn(milliseconds: number): void {
    this.#timer = setTimeout(() => void this.#look(), milliseconds);
  }

  async #look(): Promise<void> {
    const found = new Findings();
    const steps = pace(0, undefined, undefined);
    for (const finding of findings(this.#paths, this.#options)) {
      found.add(finding);
      const pause = steps.step(0);
      if (pause !== undefined) await pause;
    }
    if (this.#isClosed) return;
    const digest = found.digest();
    const isQuiet = digest === this.#seen;
    this.#seen = digest;
    if (!isQuiet && ++this.#unquietLooks < mostUnquietLooks) {
      this.#lookIn(quietMilliseconds);
      return;
    }
    this.#unquietLooks = 0;
    this.#lookIn(this.#pause(found.count));
    if (digest === this.#told) return;
    this.#told = digest;
    this.#options.onChange();
  }
}

/** What there is to compare of one file or folder; empty where it is of no interest. */
type Finding = readonly (string | bigint)[];

/** All that was found, as one text of fixed length. */
class Findings {
  count = 0;
  readonly #hash = createHash('sha256');

  add(finding: Finding): void {
    this.count++;
    if (finding.length > 0) this.#hash.update(`${finding.join('\0')}\0\0`);
  }

  digest(): string {
    return this.#hash.digest('base64');
  }
}

/**
 * Of each path, and of everything below a folder, what changes with its content: device and inode change when a name leads
 * elsewhere, the time of the last change (ctime) also when it may be read now and could not before.
 */
function* findings(
  paths: readonly string[],
  { isOfInterest = () => true }: Pick<FileWatchOptions, 'isOfInterest'>,
): Generator<Finding> {
  for (const path of paths) yield* findingsAt(path, [], isOfInterest);
}

function* findingsAt(
  path: string,
  outer: readonly string[],
  isOfInterest: (name: string) => boolean,
): Generator<Finding> {
  const found = lookAt(path);
  if (typeof found === 'string') {
    yield [path, found];
    return;
  }
  const { dev, ino, size, mtimeNs, ctimeNs } = found;
  if (!found.isDirectory()) {
    // What is named itself is asked for.
    yield outer.length === 0 || isOfInterest(basename(path)) ? [path, dev, ino, size, mtimeNs, ctimeNs] : [];
    return;
  }
  const names = namesIn(path);
  yield [path, typeof names === 'string' ? names : 'folder'];
  const id = `${dev}:${ino}`;
  // Symbolic links may lead in circles.
  if (typeof names === 'string' || outer.includes(id)) return;
  for (const name of names) yield* findingsAt(join(path, name), [...outer, id], isOfInterest);
}

function lookAt(path: string) {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false }) ?? 'absent';
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

/** A mounted ConfigMap keeps its versions under names with a dot, and editors what they are about to write. */
function namesIn(folder: string): readonly string[] | string {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .toSorted();
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
