/** Whatever others change of ours in the kernel, scrubs and the passes behind them undo it, and touch nothing else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusters, eventsOf, wishes } from '../support/arbitrary-cluster.ts';
import { kernelWith, nothingFound } from '../support/arbitrary-kernel.ts';
import { storeOf } from '../support/cluster.ts';
import type { FakeKernel } from '../support/fake-kernel.ts';
import { stateOf } from '../support/fake-state.ts';
import { randomFaults } from '../../src/kernel/faults.ts';
import { noFaults } from '../support/faults.ts';
import { NodeLoop } from '../support/node-loop.ts';
import fc from '../support/property.ts';

const foreign = ['-A -t 203.0.113.1:80 -s wlc', '-a -t 203.0.113.1:80 -r 10.244.9.9:80 -g -w 7', '-A -f 7 -s rr'];

type What =
  | 'virtual service'
  | 'scheduler'
  | 'destination'
  | 'weight'
  | 'destination more'
  | 'virtual service more'
  | 'address'
  | 'address more'
  | 'device'
  | 'element'
  | 'rules'
  | 'sets'
  | 'tables';

interface Damage {
  readonly what: What;
  /** Which of those that there are. */
  readonly at: number;
}

const damages: fc.Arbitrary<Damage> = fc.record({
  what: fc.constantFrom<What>(
    'virtual service',
    'scheduler',
    'destination',
    'weight',
    'destination more',
    'virtual service more',
    'address',
    'address more',
    'device',
    'element',
    'rules',
    'sets',
    'tables',
  ),
  at: fc.nat(),
});

/** Groups of changes; a scrub follows each. */
const histories = fc.array(fc.array(damages, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });

function pick<T>(all: readonly T[], at: number): T | undefined {
  return all.length === 0 ? undefined : all[at % all.length];
}

/** The lines of the kernel that are ours and begin so. */
function ours(kernel: FakeKernel, pattern: RegExp): string[] {
  return kernel
    .text()
    .split('\n')
    .filter((line) => pattern.test(line) && !foreign.includes(line));
}

/** Somebody else's command, which the kernel may refuse. */
function attempt(kernel: FakeKernel, line: string): void {
  try {
    kernel.run(line);
  } catch (error) {
    if (error instanceof SyntaxError) throw error;
  }
}

/** Whether only an address that somebody bound since the last scrub says that a virtual service is ours. */
function marksForeign(kernel: FakeKernel): boolean {
  return ours(kernel, /^-A -t 10\.96\.66\.66:/).length > 0;
}

/** What somebody else does to the kernel, where there is anything to do it to. */
function inflict(kernel: FakeKernel, { what, at }: Damage): void {
  const service = pick(ours(kernel, /^-A /), at);
  const destination = pick(ours(kernel, /^-a /), at);
  const address = pick(ours(kernel, /^ip addr add .* dev kube-ipvs0$/), at);
  const place = service?.split(' ').slice(1, 3).join(' ');
  switch (what) {
    case 'virtual service':
      if (place !== undefined) attempt(kernel, `-D ${place}`);
      return;
    case 'scheduler':
      if (place !== undefined) attempt(kernel, `-E ${place} -s sed`);
      return;
    case 'destination':
      if (destination !== undefined) attempt(kernel, `-d ${destination.split(' ').slice(1, 5).join(' ')}`);
      return;
    case 'weight':
      if (destination !== undefined) attempt(kernel, destination.replace('-a', '-e').replace(/-w \d+/, '-w 99'));
      return;
    case 'destination more':
      if (place !== undefined) {
        const more = place.includes('[') ? '[fd00::99]:99' : '10.9.9.9:99';
        attempt(kernel, `-a ${place} -r ${more} -m -w 1`);
      }
      return;
    case 'virtual service more': {
      const held = address?.split(' ')[3]?.split('/')[0];
      if (held !== undefined) attempt(kernel, `-A -t ${held.includes(':') ? `[${held}]` : held}:7777 -s rr`);
      return;
    }
    case 'address':
      if (address !== undefined && !marksForeign(kernel)) attempt(kernel, address.replace('addr add', 'addr delete'));
      return;
    case 'address more':
      attempt(kernel, 'ip addr add 10.96.66.66/32 dev kube-ipvs0');
      return;
    case 'device':
      if (!marksForeign(kernel)) attempt(kernel, 'ip link delete kube-ipvs0');
      return;
    case 'element': {
      const element = pick([...kernel.filter.elements(4), ...kernel.filter.elements(6)], at);
      if (element === undefined) return;
      kernel.filter.execute({ kind: 'element', verb: 'delete', element });
      kernel.filter.otherChanges++;
      return;
    }
    case 'rules':
      attempt(kernel, 'nft flush table ip kube-ipvs');
      return;
    case 'sets': {
      const sets = kernel.filter.table(4)?.sets.slice(0, -1) ?? [];
      kernel.filter.execute({ kind: 'table', verb: 'add', table: { family: 4, sets, chains: [] } });
      kernel.filter.otherChanges++;
      return;
    }
    case 'tables':
      attempt(kernel, 'nft flush ruleset');
      return;
    default:
      what satisfies never;
  }
}

/** A scrub, with passes between its reads or without, and the passes that follow; a broken channel is tried again, as the daemon does. */
async function scrubbed(node: NodeLoop, isInterleaved: boolean): Promise<void> {
  await node.scrubbed(isInterleaved ? () => node.rest() : undefined);
  await node.rest();
  await node.endDrains();
}

function property(faulty: boolean) {
  const everything = [clusters, wishes, histories, fc.integer(), fc.boolean()] as const;
  return fc.asyncProperty(...everything, async (cluster, by, history, seed, isInterleaved) => {
    const kernel = kernelWith({ ...nothingFound, foreign }, { faults: noFaults });
    const node = new NodeLoop(kernel, storeOf(...eventsOf(cluster)), by);
    await node.converge();
    await scrubbed(node, isInterleaved);
    const before = stateOf(kernel);
    const table = [kernel.filter.table(4), kernel.filter.table(6)];
    if (faulty) kernel.faults = randomFaults({ seed, rate: 0.1 });
    for (const group of history) {
      for (const damage of group) inflict(kernel, damage);
      await scrubbed(node, isInterleaved);
      assert.equal(stateOf(kernel), before);
      assert.deepEqual([kernel.filter.table(4), kernel.filter.table(6)], table);
    }
    kernel.writes = 0;
    await scrubbed(node, isInterleaved);
    assert.equal(kernel.writes, 0);
  });
}

test('what others change is undone by the next scrub', async () => {
  await fc.assert(property(false));
});

test('it is too where one operation or read in ten fails in any way', async () => {
  await fc.assert(property(true));
});
