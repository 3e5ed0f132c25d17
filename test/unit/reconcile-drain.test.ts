import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destination } from '../../src/model/destination.ts';
import type { Protocol } from '../../src/model/virtual-service.ts';
import type { ActualDestination } from '../../src/reconcile/actual.ts';
import { type Drain, drain } from '../../src/reconcile/drain.ts';
import { address } from '../support/cluster.ts';

const thisPass = 7;
const now = 100_000;

interface Row {
  readonly what: string;
  readonly protocol?: Protocol;
  readonly active?: number;
  readonly inactive?: number;
  /** The pass whose dump showed the connections. */
  readonly seenIn?: number;
  readonly drainingSince?: number;
  readonly timeout?: number;
  readonly becomes: Drain;
}

const rows: readonly Row[] = [
  { what: 'an idle one goes at once', becomes: 'delete' },
  { what: 'one with active connections starts to drain', active: 1, becomes: 'start' },
  { what: 'one with inactive connections starts to drain', inactive: 1, becomes: 'start' },
  { what: 'UDP goes at once whatever it carries', protocol: 'UDP', active: 3, inactive: 3, becomes: 'delete' },
  { what: 'SCTP goes at once whatever it carries', protocol: 'SCTP', active: 3, inactive: 3, becomes: 'delete' },
  { what: 'UDP goes at once even if nobody looked', protocol: 'UDP', seenIn: -1, becomes: 'delete' },
  { what: 'one that nobody has looked at yet starts to drain', seenIn: -1, becomes: 'start' },
  { what: 'one that looked idle in an earlier pass starts to drain', seenIn: thisPass - 1, becomes: 'start' },
  { what: 'a draining one with connections waits', active: 1, drainingSince: 0, becomes: 'wait' },
  {
    what: 'a draining one that nobody looked at in this pass waits',
    seenIn: thisPass - 1,
    drainingSince: 0,
    becomes: 'wait',
  },
  { what: 'a draining one that is idle goes', drainingSince: 0, becomes: 'delete' },
  { what: 'without a deadline one waits for ever', active: 1, drainingSince: -1e12, becomes: 'wait' },
  { what: 'before its deadline one waits', active: 1, drainingSince: now - 59_999, timeout: 60_000, becomes: 'wait' },
  { what: 'at its deadline one goes', active: 1, drainingSince: now - 60_000, timeout: 60_000, becomes: 'delete' },
  {
    what: 'at its deadline one goes even if nobody looked',
    seenIn: -1,
    drainingSince: 0,
    timeout: 60_000,
    becomes: 'delete',
  },
  { what: 'a deadline counts from the start of the drain', active: 1, timeout: 1, becomes: 'start' },
  { what: 'without any time one goes at once', active: 1, timeout: 0, becomes: 'delete' },
];

for (const {
  what,
  protocol = 'TCP',
  active = 0,
  inactive = 0,
  seenIn = thisPass,
  drainingSince,
  timeout,
  becomes,
} of rows) {
  test(`of destinations that are wanted no more, ${what}`, () => {
    const actual: ActualDestination = {
      destination: destination(address('10.244.0.1'), 8080, drainingSince === undefined ? 1 : 0),
      connections: { active, inactive },
      observedIn: seenIn,
      drainingSince,
    };
    assert.equal(drain(protocol, actual, thisPass, now, timeout), becomes);
  });
}
