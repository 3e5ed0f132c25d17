/** Scenarios in memory: the program's own parts over the fake kernel, as one process per step, as a daemon, and with faults. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isConverged, remarks } from '../../src/cli/report.ts';
import { wishesOf } from '../../src/cli/wishes.ts';
import { parseArguments } from '../../src/config/arguments.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { ClusterEvent } from '../../src/model/cluster.ts';
import { opText } from '../../src/model/text.ts';
import { Reconciler } from '../../src/reconcile/loop.ts';
import type { Wishes } from '../../src/reconcile/wanted.ts';
import { operations } from '../../src/reconcile/plan.ts';
import { settle } from '../../src/reconcile/settle.ts';
import { Store } from '../../src/store/store.ts';
import { type Manifests, problemText, readManifests } from '../../src/watch/manifests.ts';
import { Clock } from './clock.ts';
import { synced } from './cluster.ts';
import { FakeKernel } from './fake-kernel.ts';
import { type Faults, randomFaults } from '../../src/kernel/faults.ts';
import { noFaults } from './faults.ts';
import { NodeLoop } from './node-loop.ts';
import { FakeNetwork } from './fake-network.ts';
import { stateText } from './kernel-state.ts';
import type { Outcome, Scenario, Step, World } from './scenario.ts';
import { hostOf } from './configured.ts';
import { nodeLines } from './surroundings.ts';

/** What a step says, read with the program's own parsers. */
export interface Given {
  readonly wishes: Wishes;
  readonly manifests: Manifests;
}

/** The command line of a step, without what says where manifests and network namespace are. */
export function wordsOf({ command, flags }: Step): string[] {
  return command === 'cleanup' ? [command, ...flags] : [command, '--hostname-override', 'node-a', ...flags];
}

async function given(step: Step): Promise<Given> {
  const words = wordsOf(step);
  const parsed = parseArguments(words);
  const loaded = loadConfig(parsed, hostOf({}));
  if (parsed.problems.length > 0 || 'problems' in loaded) throw new Error(`bad flags: ${words.join(' ')}`);
  const files = mkdtempSync(join(tmpdir(), 'kube-ipvs-'));
  for (const [name, text] of step.manifests) writeFileSync(join(files, name), text);
  const stdin = (async function* (): AsyncGenerator<Uint8Array> {})();
  const manifests = await readManifests([files], { nodeName: loaded.config.nodeName, stdin });
  rmSync(files, { recursive: true });
  return { wishes: wishesOf(loaded.config, step.command), manifests };
}

export function isRefused({ problems }: Manifests): boolean {
  return problems.some((problem) => problem.class !== 'value');
}

export function storeOf(step: Step, { events }: Manifests): Store {
  const store = new Store();
  for (const event of step.command === 'cleanup' ? synced : events) store.apply(event);
  return store;
}

/** What all three have: a kernel to which things happen before each step. */
abstract class FakeWorld implements World {
  protected readonly kernel: FakeKernel;
  protected readonly clock = new Clock();
  readonly #network: FakeNetwork | undefined;
  readonly #ofNetwork: ReadonlySet<string>;

  constructor({ surroundings }: Scenario, faults: Faults) {
    this.kernel = new FakeKernel({ faults });
    this.#network = surroundings && new FakeNetwork(this.kernel, surroundings);
    this.#ofNetwork = new Set(surroundings && nodeLines(surroundings));
    for (const line of this.#ofNetwork) this.kernel.run(line);
  }

  async play(step: Step): Promise<Outcome> {
    for (const line of step.kernel) this.kernel.run(line);
    for (const { service, destination, ...counts } of step.connections) {
      this.kernel.setConnections(service, destination, counts);
    }
    const { wishes, manifests } = await given(step);
    const events = [...manifests.events, ...this.#addressEvents()];
    const done = await this.reconcile(step, { wishes, manifests: { ...manifests, events } });
    const lines = this.kernel.text().split('\n');
    return {
      ...done,
      state: stateText(lines.filter((line) => !this.#ofNetwork.has(line))),
      traffic: (await this.#network?.observe(step.traffic)) ?? [],
      sets: step.sets && this.kernel.filter.lines(),
    };
  }

  close(): void {
    this.kernel.close();
  }

  #addressEvents(): ClusterEvent[] {
    return [
      { kind: 'nodeAddresses', verb: 'set', addresses: this.kernel.addressesOfNode() },
      { kind: 'synced', source: 'nodeAddresses' },
    ];
  }

  protected abstract reconcile(step: Step, given: Given): Promise<Done>;
}

/** What a world can tell of a step by itself. */
type Done = Pick<Outcome, 'status' | 'ops' | 'messages'>;

/** `reconcile --once` and `cleanup` as the command line runs them, each step a process of its own. */
export class OnceWorld extends FakeWorld {
  constructor(scenario: Scenario) {
    super(scenario, noFaults);
  }

  protected async reconcile(step: Step, { wishes, manifests }: Given): Promise<Done> {
    const remarked = [...manifests.problems, ...manifests.warnings].map(problemText);
    const outcome = (status: number, ops: readonly string[], messages: readonly string[]): Done => ({
      status,
      ops,
      messages: [...remarked, ...messages].join('\n'),
    });
    if (isRefused(manifests)) return outcome(64, [], []);
    if ((await this.kernel.schedulers([wishes.scheduler])).length === 0) {
      return outcome(64, [], [`this kernel has no scheduler ${wishes.scheduler}`]);
    }
    const { kernel, clock } = this;
    const reconciler = () => new Reconciler(wishes, { kernel, store: storeOf(step, manifests), now: clock.now });
    const planned = await preview(reconciler());
    const running = reconciler();
    const account = await settle(running, clock.now);
    const done = account.applied.map(opText);
    const report = {
      command: step.command,
      dryRun: false,
      account,
      standing: running.standing(),
      totalMilliseconds: 0,
    } as const;
    // A second pass may have followed, on what the first one taught.
    const first = done.slice(0, planned.length);
    if (isConverged(report) && planned.join('\n') !== first.join('\n')) {
      throw new Error(`the preview of step "${step.title}" showed other operations:\n${planned.join('\n')}`);
    }
    await this.#expectRest(step, reconciler());
    return outcome(isConverged(report) && manifests.problems.length === 0 ? 0 : 1, done, remarks(report));
  }

  /** Whatever a step did, doing it again does nothing. */
  async #expectRest(step: Step, reconciler: Reconciler): Promise<void> {
    const { applied } = await settle(reconciler, this.clock.now);
    if (applied.length > 0) {
      throw new Error(`a second run of step "${step.title}" still does:\n${applied.map(opText).join('\n')}`);
    }
  }
}

async function preview(reconciler: Reconciler): Promise<string[]> {
  await reconciler.verify();
  const work = await reconciler.prepare();
  return work === undefined ? [] : operations(work.plan).map(opText);
}

/** Turns and ticks that even a step which can never converge gets. */
const patience = 60;

async function follow(node: NodeLoop): Promise<void> {
  await node.spend(patience);
  for (let tick = 0; tick < patience && node.reconciler.draining().length > 0; tick++) {
    node.reconciler.checkDrains();
    await node.spend(patience);
  }
}

/** The same end, whatever goes wrong on the way; each step a process of its own. */
export class FaultyWorld extends FakeWorld {
  constructor(scenario: Scenario, seed: number) {
    super(scenario, randomFaults({ seed, rate: 0.1 }));
  }

  protected async reconcile(step: Step, { wishes, manifests }: Given): Promise<Done> {
    if (!isRefused(manifests) && this.kernel.schedulerNames.has(wishes.scheduler)) {
      const node = new NodeLoop(this.kernel, storeOf(step, manifests), wishes, this.clock);
      await node.verify();
      await follow(node);
    }
    return unsaid;
  }
}

/** Of a way to the same end that is not told. */
const unsaid: Done = { status: 0, ops: undefined, messages: undefined };

/** One process that follows the cluster from step to step; it starts anew only when its flags change. */
export class DaemonWorld extends FakeWorld {
  readonly isDaemon = true;
  #running: { readonly node: NodeLoop; readonly store: Store; readonly flags: string } | undefined;
  #known: readonly ClusterEvent[] = [];

  constructor(scenario: Scenario) {
    super(scenario, noFaults);
  }

  protected async reconcile(step: Step, { wishes, manifests }: Given): Promise<Done> {
    if (isRefused(manifests) || !this.kernel.schedulerNames.has(wishes.scheduler)) return unsaid;
    const flags = [step.command, ...step.flags].join(' ');
    if (this.#running?.flags !== flags) {
      const store = storeOf(step, manifests);
      this.#running = { node: new NodeLoop(this.kernel, store, wishes, this.clock), store, flags };
      await this.#running.node.verify();
    } else {
      for (const event of changes(this.#known, manifests.events)) this.#running.store.apply(event);
      if (step.kernel.length > 0) await this.#running.node.verify();
    }
    this.#known = manifests.events;
    await follow(this.#running.node);
    return unsaid;
  }
}

/** The events by which a watch tells of the way from one set of manifests to the next. */
function changes(before: readonly ClusterEvent[], after: readonly ClusterEvent[]): ClusterEvent[] {
  const nameOf = (event: ClusterEvent): string => {
    if (event.kind === 'service' && event.verb === 'set') return `service ${event.service.name}`;
    if (event.kind === 'endpointSlice' && event.verb === 'set') return `endpointSlice ${event.slice.name}`;
    if (event.kind === 'unreadable') return `${event.object === 'Service' ? 'service' : 'endpointSlice'} ${event.name}`;
    return event.kind;
  };
  const left = new Set(after.map(nameOf));
  const isObject = (event: ClusterEvent) => event.kind === 'unreadable' || ('verb' in event && event.verb === 'set');
  const gone = before.filter((event) => isObject(event) && !left.has(nameOf(event)));
  const deletions = gone.flatMap((event): ClusterEvent[] => {
    if (event.kind === 'service' && event.verb === 'set')
      return [{ kind: event.kind, verb: 'delete', name: event.service.name }];
    if (event.kind === 'endpointSlice' && event.verb === 'set') {
      return [{ kind: event.kind, verb: 'delete', name: event.slice.name }];
    }
    if (event.kind === 'unreadable' && event.object !== 'Node') {
      return [{ kind: event.object === 'Service' ? 'service' : 'endpointSlice', verb: 'delete', name: event.name }];
    }
    return event.kind === 'node' ? [{ kind: 'node', verb: 'delete' }] : [];
  });
  const same = new Set(before.map((event) => JSON.stringify(event)));
  return [...deletions, ...after.filter((event) => !same.has(JSON.stringify(event)))];
}
