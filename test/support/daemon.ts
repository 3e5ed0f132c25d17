/** A running `kube-ipvs run`, started as its users start it: its log, its end, and what it answers. */

import { AssertionError } from 'node:assert';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isDeepStrictEqual } from 'node:util';
import type { StatusReport } from '../../src/model/status.ts';
import type { ApiServer } from './api-server/api-server.ts';
import { ask, freePort, type Heard } from './http.ts';
import { kubeIpvs, type Run, startKubeIpvs } from './program.ts';

/** What stays the same over the lives of a daemon. */
export interface DaemonSettings {
  /** The network namespace whose kernel it keeps right. */
  readonly netns: string;
  /** It runs in there, as on a node, and not beside it: nobody here can reach its ports, and it no API server here. */
  readonly isInside?: boolean;
  /** Path of where it gets its facts. */
  readonly source: { readonly kubeconfig: string } | { readonly manifests: string };
  /** node-a by default. */
  readonly node?: string;
  readonly args?: readonly string[];
  /** Fields of a KubeProxyConfiguration, which then lies where a ConfigMap is mounted. */
  readonly config?: object;
  /** A command to run it under; it is told the folder of the status socket. */
  readonly under?: (folder: string) => readonly string[];
}

export interface Exit {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Milliseconds after which a test gives up: an emulated guest on a busy machine is slow. */
const patience = 120_000;

/** A place for the files of daemons and their clients. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-daemon-'));

  write(name: string, text: string): string {
    const file = join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }

  /** For daemons and others that ask the server without credentials. */
  kubeconfig(server: ApiServer): { readonly kubeconfig: string } {
    return { kubeconfig: this.write('kubeconfig', server.kubeconfig()) };
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A KubeProxyConfiguration as the kubelet mounts a ConfigMap: a new version is a new folder, and a link that is exchanged. */
export class Mount {
  readonly file: string;
  readonly #folder: string;
  readonly #base: object;
  #version = 0;

  /** `base`: fields of every version. */
  constructor(folder: string, base: object) {
    this.#folder = folder;
    this.#base = base;
    this.file = join(folder, 'config.conf');
    mkdirSync(folder);
    symlinkSync('..data/config.conf', this.file);
  }

  /** These fields, or this text as it is. */
  become(config: object | string): void {
    const version = `..version-${++this.#version}`;
    const kind = { apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', mode: 'ipvs' };
    const text = typeof config === 'string' ? config : JSON.stringify({ ...kind, ...this.#base, ...config });
    mkdirSync(join(this.#folder, version));
    writeFileSync(join(this.#folder, version, 'config.conf'), text);
    symlinkSync(version, join(this.#folder, '..data_tmp'));
    renameSync(join(this.#folder, '..data_tmp'), join(this.#folder, '..data'));
  }
}

export class Daemon {
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly socket: string;
  /** Of the log, all so far. */
  readonly lines: string[] = [];
  readonly exited: Promise<Exit>;
  readonly mount: Mount;
  readonly #child: ChildProcess;
  #exit: Exit | undefined;
  readonly #news = new EventEmitter();

  /** It runs; nothing more. */
  static async start(settings: DaemonSettings): Promise<Daemon> {
    const { netns, isInside = false, source, node = 'node-a', args = [], config, under } = settings;
    const ports = [await freePort(), await freePort()] as const;
    const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-run-'));
    const own = ['--hostname-override', node, '--status-socket', join(folder, 'status.sock')];
    const place = isInside ? [] : ['--netns', netns];
    const prefix = [...(under?.(folder) ?? []), ...(isInside ? ['ip', 'netns', 'exec', netns] : [])];
    const [kind, path] = Object.entries(source)[0] as [string, string];
    const plain = [`--${kind}`, path, '--healthz-bind-address', at(ports[0]), '--metrics-bind-address', at(ports[1])];
    const mount = new Mount(join(folder, 'config'), {
      ...('kubeconfig' in source ? { clientConnection: source } : { kubeIpvs: { manifests: [source.manifests] } }),
      healthzBindAddress: at(ports[0]),
      metricsBindAddress: at(ports[1]),
    });
    if (config !== undefined) mount.become(config);
    const configured = config === undefined ? plain : ['--config', mount.file];
    const child = startKubeIpvs(['run', ...configured, ...own, ...place, ...args], prefix);
    return new Daemon(child, folder, mount, ports);
  }

  /** One that has done its first pass. */
  static async ready(settings: DaemonSettings): Promise<Daemon> {
    const daemon = await Daemon.start(settings);
    await daemon.line(/ ready: /);
    return daemon;
  }

  private constructor(
    child: ChildProcess,
    folder: string,
    mount: Mount,
    ports: readonly [health: number, metrics: number],
  ) {
    this.#child = child;
    this.mount = mount;
    [this.healthPort, this.metricsPort] = ports;
    this.socket = join(folder, 'status.sock');
    child.stdin!.end();
    child.stdout!.resume();
    createInterface({ input: child.stderr! }).on('line', (line) => {
      this.lines.push(line);
      this.#news.emit('news');
    });
    this.exited = once(child, 'close').then(([status, signal]) => {
      this.#exit = { status: status as number | null, signal: signal as NodeJS.Signals | null };
      rmSync(folder, { recursive: true, force: true });
      this.#news.emit('news');
      return this.#exit;
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  /** The first line from the given one on that matches; waits for it, for so many milliseconds. */
  async line(pattern: RegExp, from = 0, limit = patience): Promise<string> {
    const signal = AbortSignal.timeout(limit);
    for (let next = from; ; ) {
      for (; next < this.lines.length; next++) if (pattern.test(this.lines[next]!)) return this.lines[next]!;
      await this.#more(next, signal, () => `no line of the log matches ${pattern}`);
    }
  }

  /** Looks again with every line of the log until what is seen is this. */
  async until<T>(look: () => T | Promise<T>, expected: T): Promise<void> {
    const signal = AbortSignal.timeout(patience);
    for (;;) {
      const heard = this.lines.length;
      const seen = await look();
      if (isDeepStrictEqual(seen, expected)) return;
      await this.#more(heard, signal, () => differenceOf(seen, expected));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** SIGTERM, to its end. */
  async stop(): Promise<Exit> {
    this.signal('SIGTERM');
    return this.exited;
  }

  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  /** Of /healthz, /livez, /readyz. */
  health(path: string): Promise<Heard> {
    return ask({ port: this.healthPort, path });
  }

  /** Of /metrics, /proxyMode, /configz. */
  metrics(path = '/metrics'): Promise<Heard> {
    return ask({ port: this.metricsPort, path });
  }

  /**
   * Until it has found, by looking at the kernel, what somebody changes there. Rejects when a look has passed that over, unless it is
   * undone by then: who looks after drains puts right what he finds, and does not tell. How long all takes does not count.
   */
  async finds(change: () => void, isUndone = () => false): Promise<void> {
    const signal = AbortSignal.timeout(patience);
    const { found: before } = await this.#looks();
    change();
    const { times: first } = await this.#looks();
    for (let passed = 0; ; ) {
      const { times, found } = await this.#looks();
      if (found > before) return;
      // one may have been under way; that these have found nothing is known from what was told after they had ended
      if (passed > 1 && isUndone()) return;
      if (passed > 1) throw new Error(`${passed} looks at the kernel have found nothing`);
      passed = times - first;
      signal.throwIfAborted();
    }
  }

  /** How often it has looked at what others changed in the kernel, and how many such things it has found. */
  async #looks(): Promise<{ readonly times: number; readonly found: number }> {
    const { body } = await this.metrics();
    const [, times] = /^kube_ipvs_scrub_duration_seconds_count (\d+)$/m.exec(body)!;
    const found = [...body.matchAll(/^kube_ipvs_drift_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
    return { times: Number(times), found: found.reduce((sum, count) => sum + count, 0) };
  }

  /** `kube-ipvs status`, with these flags. */
  askStatus(...flags: readonly string[]): Promise<Run> {
    return kubeIpvs(['status', '--status-socket', this.socket, ...flags]);
  }

  async status(): Promise<StatusReport> {
    const { body } = await ask({ socketPath: this.socket, path: '/status' });
    return JSON.parse(body) as StatusReport;
  }

  async #more(heard: number, signal: AbortSignal, why: () => string): Promise<void> {
    while (this.lines.length === heard) {
      if (this.#exit !== undefined) throw new Error(`kube-ipvs ended, and ${why()}\n${this.lines.join('\n')}`);
      try {
        await once(this.#news, 'news', { signal });
      } catch {
        throw new Error(`${why()}\n${this.lines.join('\n')}`);
      }
    }
  }
}

function differenceOf(actual: unknown, expected: unknown): string {
  return new AssertionError({ actual, expected, operator: 'deepStrictEqual' }).message;
}

function at(port: number): string {
  return `127.0.0.1:${port}`;
}
