/** Manifests as a live source: the files' facts as events, again whenever the files change. */

import { Readable } from 'node:stream';
import type { ClusterEvent } from '../model/cluster.ts';
import { delayAfter, usualDelays } from '../model/growing-delay.ts';
import type { SourceState, WatchPhase } from '../model/status.ts';
import { FileWatch } from './file-watch.ts';
import { isManifestName } from './manifest-files.ts';
import { blankTexts, type Manifests, problemText, readManifests } from './manifests.ts';
import { Told } from './told.ts';

export interface ManifestWatchOptions {
  /** Files and folders. */
  readonly paths: readonly string[];
  readonly nodeName: string;
  readonly onEvent: (event: ClusterEvent) => void;
  /** What an operator should know; printable. */
  readonly onRemark: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Between two looks at few files; 1000 by default. */
  readonly intervalMilliseconds?: number;
}

/** Beyond this many remarks of one reading the rest is counted only. */
const mostRemarks = 10;

/**
 * Tells what the files say as soon as all of them can be read, then that this was all, and from then on what differs. While a file
 * cannot be read, is empty or holds something else than objects, nothing is told but remarks, and what was told last holds: files
 * that are being written look so. A change costs O(files).
 */
export class ManifestWatch {
  readonly #options: ManifestWatchOptions;
  readonly #watch: FileWatch;
  readonly #abort = new AbortController();
  readonly #told = new Told();
  #retry: NodeJS.Timeout | undefined;
  /** One after another, for a reason that passes by itself. */
  #shortages = 0;
  #isReading = false;
  #isStale = false;
  #isSynced = false;
  #phase: WatchPhase = 'listing';
  #since: number;
  #heardAt: number | undefined;
  #refusals = 0;
  #lastError: string | undefined;

  /** Throws when `-` is among the paths: standard input is read once. */
  constructor(options: ManifestWatchOptions) {
    const { paths, intervalMilliseconds } = options;
    if (paths.includes('-')) throw new Error('standard input cannot be watched: name files or folders instead of -');
    this.#options = options;
    this.#since = options.now();
    const interval = intervalMilliseconds === undefined ? {} : { intervalMilliseconds };
    // before the first reading, so that no change falls between the two
    this.#watch = new FileWatch(paths, { ...interval, isOfInterest: isManifestName, onChange: () => this.#changed() });
    this.#changed();
  }

  sources(): readonly SourceState[] {
    return [
      {
        name: 'manifests',
        phase: this.#phase,
        synced: this.#isSynced,
        objects: this.#told.size,
        resourceVersion: undefined,
        since: this.#since,
        heardAt: this.#heardAt,
        restarts: this.#refusals,
        lastError: this.#lastError,
      },
    ];
  }

  close(): void {
    this.#watch.close();
    clearTimeout(this.#retry);
    this.#abort.abort(new Error('closed'));
  }

  #changed(): void {
    this.#isStale = true;
    if (!this.#isReading) void this.#read();
  }

  async #read(): Promise<void> {
    const { paths, nodeName } = this.#options;
    const { signal } = this.#abort;
    this.#isReading = true;
    try {
      while (this.#isStale) {
        this.#isStale = false;
        this.#take(await readManifests(paths, { nodeName, stdin: Readable.from([]), signal, isRepeated: true }));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#isReading = false;
    }
  }

  #take(manifests: Manifests): void {
    if (this.#abort.signal.aborted) return;
    this.#heardAt = this.#options.now();
    const faults = faultsOf(manifests);
    clearTimeout(this.#retry);
    this.#shortages = manifests.isShort ? this.#shortages + 1 : 0;
    if (faults.length > 0) this.#refuse(faults, manifests.isShort ? this.#tryAgain() : 'when a file changes');
    else this.#accept(manifests);
  }

  /** No change of a file would tell that there are file descriptors again. Says when. */
  #tryAgain(): string {
    const delay = delayAfter(this.#shortages, usualDelays);
    this.#retry = setTimeout(() => this.#changed(), delay);
    return `in ${delay} ms`;
  }

  #refuse(faults: readonly string[], again: string): void {
    this.#refusals++;
    this.#lastError = faults[0];
    this.#enter('waiting');
    const state = this.#isSynced ? 'the manifests are applied as they were before' : 'nothing is applied yet';
    this.#remark('error', faults);
    this.#options.onRemark('error', `${state}: they are read again ${again}`);
  }

  #accept(manifests: Manifests): void {
    this.#lastError = undefined;
    this.#enter('watching');
    const { problems, warnings, events } = manifests;
    const news = this.#told.news(events);
    const { services, endpointSlices, nodes } = manifests.counts;
    const read = `${services} Services, ${endpointSlices} EndpointSlices, ${nodes} Nodes`;
    this.#options.onRemark('info', `manifests read: ${read}, ${news.length} changes`);
    this.#remark('error', problems.map(problemText));
    this.#remark('warn', warnings.map(problemText));
    for (const event of news) this.#options.onEvent(event);
    if (this.#isSynced) return;
    this.#isSynced = true;
    for (const source of ['services', 'endpointSlices', 'node'] as const) {
      this.#options.onEvent({ kind: 'synced', source });
    }
  }

  #enter(phase: WatchPhase): void {
    if (this.#phase === phase) return;
    this.#phase = phase;
    this.#since = this.#options.now();
  }

  #remark(level: 'warn' | 'error', lines: readonly string[]): void {
    for (const line of lines.slice(0, mostRemarks)) this.#options.onRemark(level, line);
    const more = lines.length - mostRemarks;
    if (more > 0) this.#options.onRemark(level, `… and ${more} more`);
  }
}

/** Why nothing of these manifests should be told. */
function faultsOf(manifests: Manifests): string[] {
  const broken = manifests.problems.filter((problem) => problem.class !== 'value');
  return [...broken.map(problemText), ...blankTexts(manifests)];
}
