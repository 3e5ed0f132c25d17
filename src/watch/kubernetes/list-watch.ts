/**
 * All objects of one resource and every change of them, for as long as it is open: a list, then a watch from the list's version, and
 * again where that leads nowhere. What an API server answers is documented under "Efficient detection of changes" of the Kubernetes
 * API concepts; where that is silent, what client-go's Reflector does (tools/cache/reflector.go, Kubernetes 1.36) is done here.
 */

import type { ClusterEvent, ObjectName } from '../../model/cluster.ts';
import type { SourceState } from '../../model/status.ts';
import { type Pace, pace } from '../pace.ts';
import type { ApiAnswer, ApiClient } from './api-client.ts';
import { Complaints } from './complaints.ts';
import { KnownObjects } from './known-objects.ts';
import { LineSplitter } from './line-splitter.ts';
import { readList } from './list.ts';
import { MalformedAnswer } from './malformed-answer.ts';
import { readRefusal, type Refusal } from './refusal.ts';
import type { Resource } from './resources.ts';
import { type Ending, endingOf, Retries } from './retries.ts';
import { type ProgressOptions, SourceProgress } from './source-progress.ts';
import { readWatchEvent, type WatchEvent } from './watch-event.ts';

export interface ListWatchOptions extends ProgressOptions {
  readonly onEvent: (event: ClusterEvent) => void;
  /** Milliseconds of a clock that never goes back: how long something lasts is not a matter of the time of day. */
  readonly steadyNow: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Rejects when aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Milliseconds. An answer that has an end, a page of a list or a refusal, is given up when it is silent for so long. A server that was
 * asked to stream a list, and tells no further object for so long, is taken for one that knows no streamed lists.
 */
export const longestInitialSilence = 30_000;

/** Milliseconds of silence after which a watch is made again: bookmarks come each minute, and a gateway may live on without its server. */
export const longestSilence = 300_000;

/** Seconds after which a server is asked to end a watch: as many again, at random, so that watches spread over servers and time. */
const shortestWatch = 300;

const pageSize = 500;

export class ListWatch {
  readonly #client: ApiClient;
  readonly #resource: Resource;
  readonly #options: ListWatchOptions;
  readonly #objects: KnownObjects;
  readonly #complaints: Complaints;
  readonly #retries: Retries;
  readonly #progress: SourceProgress;
  /** Of the request or the wait that is under way. */
  #abort = new AbortController();
  #isClosed = false;
  /** What was read so far; undefined: a list is needed. */
  #version: string | undefined;
  #streamsLists = true;
  /** The list that comes next is asked for in pages all the same. */
  #isPagesTurn = false;
  #pageSize: number | undefined = pageSize;
  /** The list under way has something that says not which object it is: it may be any that the list does not name. */
  #hasUnnamed = false;
  /** Streamed lists that ended without their end, in a row. */
  #endlessLists = 0;
  /** When the watch under way began; in the infinite future before. */
  #watchingSince = Infinity;

  constructor(client: ApiClient, resource: Resource, options: ListWatchOptions) {
    this.#client = client;
    this.#resource = resource;
    this.#options = options;
    this.#objects = new KnownObjects(resource);
    this.#complaints = new Complaints(options);
    this.#retries = new Retries(options.random);
    this.#progress = new SourceProgress(resource.name, options);
    void this.#run();
  }

  state(): SourceState {
    return this.#progress.state(this.#objects.size, this.#version);
  }

  /** Nothing is told any more, and what is under way is aborted. */
  close(): void {
    this.#isClosed = true;
    this.#abort.abort(new Error('the watch is closed'));
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#abort = new AbortController();
      const ending = await this.#request();
      if (this.#isClosed) return;
      if (ending.kind === 'unsupported') this.#giveUpStreaming(ending.message);
      const { wait, relists, restart } = this.#retries.after(ending, this.#options.steadyNow() - this.#watchingSince);
      // What does not come in a stream, however often it is asked for, may come in pages; a server that was only in trouble streams again.
      this.#isPagesTurn = relists && ending.kind === 'failed' && this.#version === undefined;
      if (relists) this.#version = undefined;
      // Where etcd was restored from a backup, versions are given out a second time.
      if (relists && ending.kind !== 'expired') this.#objects.distrust();
      if (restart !== undefined) this.#progress.restarted(restart.reason, restart.message);
      if (wait === undefined) continue;
      // the one of the request may be spent
      this.#abort = new AbortController();
      this.#progress.enter('waiting');
      await this.#options.sleep(wait, this.#abort.signal).catch(() => {});
    }
  }

  async #request(): Promise<Ending> {
    this.#watchingSince = Infinity;
    try {
      if (this.#version !== undefined) return await this.#watch(this.#version);
      this.#progress.enter('listing');
      this.#hasUnnamed = false;
      return this.#streamsLists && !this.#isPagesTurn ? await this.#streamList() : await this.#pageList();
    } catch (error) {
      const isMalformed = error instanceof MalformedAnswer;
      const reason = isMalformed ? 'malformed' : 'connection';
      const { message } = error as Error;
      return { kind: 'failed', reason, isFutile: isMalformed, message, retryAfter: undefined };
    }
  }

  /** The initial objects and then their changes in one answer; KEP-3157. */
  async #streamList(): Promise<Ending> {
    const initial = ['sendInitialEvents=true', 'resourceVersionMatch=NotOlderThan'];
    const answer = await this.#get([...initial, ...this.#watchParameters()]);
    if (answer.status !== 200) return endingOf(await this.#refusal(answer), 'stream');
    return this.#follow(answer, new Set());
  }

  async #watch(version: string): Promise<Ending> {
    const answer = await this.#get([`resourceVersion=${encodeURIComponent(version)}`, ...this.#watchParameters()]);
    if (answer.status !== 200) return endingOf(await this.#refusal(answer), 'watch');
    this.#watching();
    return this.#follow(answer, undefined);
  }

  async #pageList(): Promise<Ending> {
    const listed = new Set<ObjectName>();
    const steps = pace(0, this.#abort.signal, undefined);
    const tokens = new Set<string>();
    let token = '';
    do {
      const limit = this.#pageSize === undefined ? [] : [`limit=${this.#pageSize}`];
      const answer = await this.#get([...limit, ...(token === '' ? [] : [`continue=${encodeURIComponent(token)}`])]);
      if (answer.status !== 200) {
        const refusal = await this.#refusal(answer);
        // The list took longer than the server keeps a version (5 min): the next is asked for in one piece, as client-go's pager does.
        if (refusal.code === 410 && token !== '') this.#pageSize = undefined;
        return endingOf(refusal, 'list');
      }
      const list = readList(this.#heard(this.#unlessSilent(answer.body)));
      for await (const raw of list.items) {
        this.#set(raw, listed);
        const pause = steps.step(1);
        if (pause !== undefined) await pause;
      }
      const frame = list.frame();
      token = frame.continue;
      if (tokens.has(token)) throw new MalformedAnswer('the pages of the list lead in a circle');
      tokens.add(token);
      if (token === '') await this.#listed(listed, frame.version, steps);
    } while (token !== '');
    this.#pageSize = pageSize;
    return { kind: 'listed' };
  }

  /**
   * Reads a watch to its end. With `initial` it begins with all objects: their names are collected until the server says that it was
   * all. Before that their versions are nothing to go on from: what is not told yet would never be.
   */
  async #follow(answer: ApiAnswer, initial: Set<ObjectName> | undefined): Promise<Ending> {
    const splitter = new LineSplitter();
    const steps = pace(0, this.#abort.signal, undefined);
    let listing = initial;
    let isSilent = true;
    let listed = 0;
    const silence = new Silence(this.#abort, initial === undefined ? longestSilence : longestInitialSilence);
    try {
      for await (const chunk of this.#heard(answer.body)) {
        isSilent = false;
        for (const line of splitter.push(chunk)) {
          const event = readWatchEvent(line);
          const ending = this.#take(event, listing);
          if (ending !== undefined) return ending;
          if (event.type === 'bookmark' && event.isInitialEnd && listing !== undefined) {
            await this.#listed(listing, event.version, steps);
            this.#watching();
            listing = undefined;
          } else if (listing === undefined && 'version' in event) this.#advance(event.version);
          const pause = steps.step(1);
          if (pause !== undefined) await pause;
        }
        if (listing === undefined) silence.restart(longestSilence);
        else if (listing.size > listed) {
          // changes of what was told already come for ever, also from a server that does not know where the list ends
          listed = listing.size;
          silence.restart(longestInitialSilence);
        }
      }
    } catch (error) {
      if (!silence.isOver) throw error;
    } finally {
      silence.end();
    }
    if (listing === undefined) return { kind: 'ended', isSilent };
    return this.#endlessList(silence.isOver);
  }

  /** A server that shuts down ends its streams wherever they are; one that knows no streamed lists never says that it was all. */
  #endlessList(isSilent: boolean): Ending {
    const message = 'the server did not say where the list ends';
    if (isSilent || ++this.#endlessLists > 1) return { kind: 'unsupported', message };
    return { kind: 'failed', reason: 'connection', isFutile: false, message, retryAfter: undefined };
  }

  /** What the event means for the objects; the ending when it is the last that can be read. */
  #take(event: WatchEvent, listing: Set<ObjectName> | undefined): Ending | undefined {
    switch (event.type) {
      case 'set':
        this.#set(event.object, listing);
        return undefined;
      case 'delete':
        this.#delete(event.object, listing);
        return undefined;
      case 'bookmark':
        return undefined;
      case 'error': {
        // etcd 3.4 cannot stream a list, and its API server notices only when it has said yes
        const { refusal } = event;
        if (listing !== undefined && refusal.code === 500) return { kind: 'unsupported', message: refusal.message };
        return endingOf(refusal, listing === undefined ? 'changes' : 'stream');
      }
      case 'odd':
        this.#hasUnnamed = true;
        this.#complaints.add('', 'error', `${this.#resource.name}: ${event.message}`);
        return undefined;
      case 'broken':
        throw new MalformedAnswer(event.message);
      default:
        return event satisfies never;
    }
  }

  async #get(parameters: readonly string[]): Promise<ApiAnswer> {
    const { path, selectors } = this.#resource;
    const query = [...parameters, selectors].join('&');
    return await this.#client.request({ method: 'GET', path: `${path}?${query}`, signal: this.#abort.signal });
  }

  #watching(): void {
    this.#watchingSince = this.#options.steadyNow();
    this.#progress.enter('watching');
  }

  #watchParameters(): string[] {
    const seconds = shortestWatch + Math.floor(this.#options.random() * (shortestWatch + 1));
    return ['watch=true', 'allowWatchBookmarks=true', `timeoutSeconds=${seconds}`];
  }

  async *#heard(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of body) {
      this.#progress.heard();
      yield chunk;
    }
  }

  /** Of what has an end: a server may fall silent in the middle of it, and its connection be well. */
  async *#unlessSilent(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const silence = new Silence(this.#abort, longestInitialSilence);
    try {
      for await (const chunk of body) {
        silence.restart(longestInitialSilence);
        yield chunk;
      }
    } finally {
      silence.end();
    }
  }

  #refusal(answer: ApiAnswer): Promise<Refusal> {
    return readRefusal({ ...answer, body: this.#unlessSilent(answer.body) });
  }

  #set(raw: object, listing: Set<ObjectName> | undefined): void {
    const listed = this.#resource.nameOf(raw);
    if (listed === undefined) this.#hasUnnamed = true;
    else listing?.add(listed);
    const consequence = this.#objects.set(listed, raw);
    if (consequence === undefined) return;
    this.#complaints.about(this.#resource.kind, consequence);
    this.#tell(consequence.event);
  }

  #delete(raw: object, listing: Set<ObjectName> | undefined): void {
    const name = this.#resource.nameOf(raw);
    if (name === undefined) return;
    listing?.delete(name);
    this.#complaints.remove(name);
    this.#tell(this.#objects.delete(name));
  }

  #advance(version: string | undefined): void {
    if (version === undefined) return;
    this.#version = version;
    this.#retries.advanced();
    this.#progress.well();
  }

  /** A complete list was read: only now what it does not name is known to be gone. */
  async #listed(names: ReadonlySet<ObjectName>, version: string | undefined, steps: Pace): Promise<void> {
    if (version === undefined) throw new MalformedAnswer('the list names no version (metadata.resourceVersion)');
    if (!this.#hasUnnamed) await this.#deleteOthers(names, steps);
    this.#endlessLists = 0;
    this.#advance(version);
    if (!this.#progress.synced()) return;
    const { whenEmpty } = this.#resource;
    if (whenEmpty !== undefined && this.#objects.size === 0) this.#progress.remark('warn', whenEmpty);
    this.#tell({ kind: 'synced', source: this.#resource.source });
  }

  async #deleteOthers(names: ReadonlySet<ObjectName>, steps: Pace): Promise<void> {
    for (const name of this.#objects.names()) {
      const pause = steps.step(1);
      if (pause !== undefined) await pause;
      if (names.has(name)) continue;
      this.#complaints.remove(name);
      this.#tell(this.#objects.delete(name));
    }
  }

  #giveUpStreaming(why: string): void {
    this.#streamsLists = false;
    this.#progress.remark(
      'info',
      `the API server does not stream lists, they are asked for in pages from now on (${why})`,
    );
  }

  #tell(event: ClusterEvent | undefined): void {
    if (event !== undefined && !this.#isClosed) this.#options.onEvent(event);
  }
}

/** Aborts when it lasts too long. */
class Silence {
  isOver = false;
  readonly #abort: AbortController;
  #timer: NodeJS.Timeout | undefined;

  constructor(abort: AbortController, milliseconds: number) {
    this.#abort = abort;
    this.restart(milliseconds);
  }

  restart(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.isOver = true;
      this.#abort.abort(new Error('the answer fell silent before its end'));
    }, milliseconds);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
