/** What the daemon keeps of what it was started with. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { hasExcess, neededCapabilities } from '../../src/cli/privileges.ts';

const nowhere = { netns: undefined, healthzAddress: undefined, metricsAddress: undefined };
/** CAP_NET_ADMIN is 12, linux/capability.h. */
const netAdmin = 0x1000;

/** Lines of /proc/PID/status around ours. */
function status({ held = '0', bounding = '1ffffffffff', noNewPrivileges = 0 }): string {
  return [
    'Name:\tnode',
    'CapInh:\t0000000000000000',
    `CapPrm:\t${held.padStart(16, '0')}`,
    `CapEff:\t${held.padStart(16, '0')}`,
    `CapBnd:\t${bounding.padStart(16, '0')}`,
    'CapAmb:\t0000000000000000',
    `NoNewPrivs:\t${noNewPrivileges}`,
    'Seccomp:\t0\n',
  ].join('\n');
}

describe('the capabilities that the daemon keeps', () => {
  it('are NET_ADMIN alone, as it is configured on nodes', () => {
    const config = {
      netns: undefined,
      healthzAddress: { port: 10256 },
      metricsAddress: { port: 1024 },
    };
    assert.equal(neededCapabilities(config), 0x1000);
    assert.equal(neededCapabilities(nowhere), 0x1000);
  });

  it('have NET_BIND_SERVICE where it listens at a low port', () => {
    const low = { port: 1023 };
    assert.equal(neededCapabilities({ ...nowhere, healthzAddress: low }), 0x1400);
    assert.equal(neededCapabilities({ ...nowhere, metricsAddress: low }), 0x1400);
  });

  it('have SYS_ADMIN where it enters another network namespace', () => {
    assert.equal(neededCapabilities({ ...nowhere, netns: 'other' }), 0x201000);
  });
});

describe('a start', () => {
  const rows: readonly [what: string, status: string, expected: boolean][] = [
    ['as root has too much', status({ held: '1ffffffffff' }), true],
    ['with one capability more has too much', status({ held: '1400', noNewPrivileges: 1 }), true],
    ['with a capability above the 32nd has too much', status({ held: '8000001000', noNewPrivileges: 1 }), true],
    ['that may come to new privileges has too much', status({ held: '1000', bounding: '1000' }), true],
    ['as a user without anything may still come to new privileges', status({}), true],
    [
      'in a Pod with NET_ADMIN and no way to others has nothing to give up',
      status({ held: '1000', bounding: '1000', noNewPrivileges: 1 }),
      false,
    ],
    [
      'that cannot lower its bounding set leaves it: it is out of reach',
      status({ held: '1000', noNewPrivileges: 1 }),
      false,
    ],
    ['without any capability has nothing to give up', status({ noNewPrivileges: 1 }), false],
  ];
  for (const [what, text, expected] of rows) {
    it(what, () => assert.equal(hasExcess(text, netAdmin), expected));
  }

  it('that may lower its bounding set does, where the capability to do so is to be kept', () => {
    const held = { held: '1100', noNewPrivileges: 1 };
    assert.equal(hasExcess(status(held), 0x1100), true);
    assert.equal(hasExcess(status({ ...held, bounding: '1100' }), 0x1100), false);
  });

  it('where the kernel does not say what it has fails', () => {
    assert.throws(() => hasExcess('Name:\tnode\n', netAdmin), /has no CapPrm/);
  });
});

describe('a daemon that gives up privileges', () => {
  it('does not forget a signal that came just before', () => {
    const script = `
      import { shedPrivileges } from '${new URL('../../src/cli/privileges.js', import.meta.url).href}';
      const abort = new AbortController();
      process.once('SIGTERM', () => abort.abort(new Error('told to end')));
      process.kill(process.pid, 'SIGTERM');
      await shedPrivileges({ healthzAddress: undefined, metricsAddress: undefined, netns: undefined, oomScoreAdj: 0 }, abort.signal).then(
        () => process.stdout.write('went on'),
        ({ message }) => process.stdout.write(message),
      );
    `;
    // where there is nothing to give up there is nothing to be forgotten
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
    });
    assert.equal(stdout, 'told to end', stderr);
  });
});
