/**
 * `node dist/test/soak/main.js [--minutes N] [--seed S] [--own-machine]`: clients ask Services without end while all that may happen to a
 * node, its daemon and its API server happens, one thing after the other as the seed says. Prints what happens and every request that
 * failed, and ends with a table and `N requests, M failed`. Exit status 1: a request failed, or the kernel was not as it should be.
 *
 * Needs root and a kernel with IPVS; works in network namespaces of its own. With --own-machine it also sets the machine's clock and the
 * limit of its tracked connections: in a guest of scripts/vm only.
 */

import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Random } from '../../src/kernel/random.ts';
import { ApiServer } from '../support/api-server/api-server.ts';
import { SoakCluster } from './cluster.ts';
import { happeningsOf, type Scene, start, verify } from './events.ts';
import { SoakNode } from './node.ts';
import { type Request, seconds, type Target, Traffic } from './traffic.ts';
import { table, total, Verdicts } from './verdicts.ts';

/** What scripts/vm puts into its guests. */
const guestMark = '/run/vm/guest-session';
const requestsPerSecond = 6;
/** Events that are told with a failure. */
const toldEvents = 4;

class Soak {
  readonly #random: Random;
  readonly #begun = seconds();
  readonly #verdicts = new Verdicts();
  readonly #events: string[] = [];
  #faults = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** Answers whether all was well. The signal ends it early. */
  async run(minutes: number, ownsMachine: boolean, signal: AbortSignal): Promise<boolean> {
    const server = await ApiServer.start();
    const traffic = new Traffic((request) => this.#judge(request));
    const cluster = new SoakCluster(server, this.#random);
    const node = await SoakNode.open(server);
    try {
      const scene: Scene = {
        server,
        cluster,
        node,
        traffic,
        verdicts: this.#verdicts,
        random: this.#random,
        live: new Set(),
        tell: (line) => this.#tell(line),
        fault: (line) => this.#fault(line),
      };
      await this.#play(scene, minutes, ownsMachine, signal);
    } catch (error) {
      this.#fault(error instanceof Error ? (error.stack ?? error.message) : String(error));
    } finally {
      traffic.kill();
      const exit = await node.close();
      if (exit !== undefined && exit.status !== 0) this.#fault(`the daemon ended with status ${exit.status}`);
      await server.close();
    }
    return this.#report();
  }

  async #play(scene: Scene, minutes: number, ownsMachine: boolean, signal: AbortSignal): Promise<void> {
    for (const pod of scene.cluster.named()) await start(scene, pod);
    await scene.node.start();
    await verify(scene);
    await scene.traffic.ask(targetsOf(scene), requestsPerSecond);
    const end = seconds() + minutes * 60;
    for (const happening of happeningsOf(this.#random, ownsMachine)) {
      if (seconds() >= end || signal.aborted) break;
      await happening(scene);
      // a guest beside others must leave them the machine
      await sleep(1_000 + this.#random.next() * 3_000);
    }
    await verify(scene);
    await scene.traffic.end();
  }

  #judge(request: Request): void {
    if (!this.#verdicts.judge(request)) return;
    const { target, begun, ended, failure } = request;
    const at = begun - this.#begun;
    const events = this.#events.slice(-toldEvents).map((line) => `    ${line}`);
    print(
      `FAILED ${at.toFixed(1)} s ${target}: ${failure}, after ${(ended - begun).toFixed(2)} s\n${events.join('\n')}`,
    );
  }

  #tell(event: string): void {
    const line = `${(seconds() - this.#begun).toFixed(1)} s ${event}`;
    this.#events.push(line);
    print(line);
  }

  #fault(line: string): void {
    this.#faults++;
    this.#tell(`FAULT ${line}`);
  }

  #report(): boolean {
    const tallies = this.#verdicts.tallies();
    const { requests, failed } = total(tallies);
    print(table(tallies));
    if (this.#faults > 0) print(`${this.#faults} times the node was not as it should be`);
    print(`${requests} requests, ${failed} failed`);
    return failed === 0 && this.#faults === 0 && requests > 0;
  }
}

/** A Pod asks the ClusterIPs, a client outside the NodePorts, a process of the node a ClusterIP. */
function targetsOf({ cluster, node }: Scene): Target[] {
  const { name } = node.namespace;
  return [
    ...cluster.services.flatMap((service): Target[] => [
      { name: `Pod to ${service.name}`, netns: `${name}-pod`, address: service.vip, port: 80 },
      {
        name: `outside to ${service.name}'s NodePort`,
        netns: `${name}-outside`,
        as: '192.0.2.7',
        address: '192.168.1.10',
        port: service.nodePort,
      },
    ]),
    { name: `node to ${cluster.services[0]!.name}`, netns: name, address: cluster.services[0]!.vip, port: 80 },
  ];
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function refuse(why: string): never {
  process.stderr.write(`soak: ${why}\nusage: node dist/test/soak/main.js [--minutes N] [--seed S] [--own-machine]\n`);
  process.exit(64);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      'own-machine': { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  const seed = Number(values.seed);
  if (!(minutes > 0 && minutes < 100_000)) refuse('--minutes is no number of minutes');
  if (!Number.isSafeInteger(seed) || seed < 0) refuse('--seed is no whole number');
  const ownsMachine = values['own-machine'];
  if (ownsMachine && !existsSync(guestMark)) refuse('--own-machine sets the clock: only in a guest of scripts/vm');
  print(`soak: ${minutes} minutes, --seed ${seed}`);
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort());
  process.exitCode = (await new Soak(seed).run(minutes, ownsMachine, interruption.signal)) ? 0 : 1;
}

await main();
