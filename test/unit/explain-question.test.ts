/** What `kube-ipvs explain` may be asked, and how it answers what it may not. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { questionOf } from '../../src/cli/explain/question.ts';
import { parseArguments } from '../../src/config/arguments.ts';
import { parseVirtualServiceKey } from '../../src/model/virtual-service.ts';
import { kubeIpvs } from '../support/program.ts';

describe('an address with port and protocol', () => {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['10.96.0.10:443', '10.96.0.10:443/TCP'],
    ['10.96.0.10:53/UDP', '10.96.0.10:53/UDP'],
    ['10.96.0.10:99/sctp', '10.96.0.10:99/SCTP'],
    ['[FD00:0::10]:80', '[fd00::10]:80/TCP'],
    ['[::ffff:10.96.0.10]:80/Tcp', '10.96.0.10:80/TCP'],
    ['10.96.0.10', undefined],
    ['10.96.0.10:1', '10.96.0.10:1/TCP'],
    ['10.96.0.10:65535', '10.96.0.10:65535/TCP'],
    ['10.96.0.10:0', undefined],
    ['10.96.0.10:65536', undefined],
    ['10.96.0.10:80/icmp', undefined],
    ['10.96.0.300:80', undefined],
    ['[10.96.0.10]:80', undefined],
    ['fd00::10:80', undefined],
    ['[fd00::10]', undefined],
    ['[fe80::1%eth0]:80', undefined],
    ['web:80', undefined],
  ];
  for (const [text, expected] of rows) {
    it(`"${text}" is ${expected ?? 'none'}`, () => {
      assert.equal(parseVirtualServiceKey(text)?.id, expected);
    });
  }
});

describe('--from', () => {
  function asked(words: string) {
    const found = questionOf(parseArguments(['explain', ...words.split(' ')]));
    return 'problems' in found ? found.problems.map(({ message }) => message) : found.question.from;
  }

  it('is one class, one address, or all classes', () => {
    assert.deepEqual(asked('10.96.0.10:80'), ['pod', 'host', 'external']);
    assert.deepEqual(asked('10.96.0.10:80 --from Pod'), ['pod']);
    assert.equal(asked('10.96.0.10:80 --from 192.0.2.7'), '192.0.2.7');
    assert.equal(asked('[fd00::1]:80 --from [2001:DB8::7]'), '2001:db8::7');
  });

  it('is refused with its cure where it is something else, or of the other family', () => {
    assert.deepEqual(asked('10.96.0.10:80 --from mars'), [
      '--from is "mars"; write pod, host, external or a client\'s IP address',
    ]);
    assert.deepEqual(asked('10.96.0.10:80 --from 10.0.0.0/8'), [
      '--from is "10.0.0.0/8"; write pod, host, external or a client\'s IP address',
    ]);
    assert.deepEqual(asked('10.96.0.10:80 --from fd00::7'), [
      "--from is fd00::7, and 10.96.0.10 is of the other family; write a client's address of the same one",
    ]);
  });
});

it('all that is wrong is told at once, with status 64', async () => {
  const words = ['explain', '10.96.0.10', '--from', '\u001b[31m', '--cluster-cidr', 'x'];
  const { status, stdout, stderr } = await kubeIpvs(words);
  assert.deepEqual([status, stdout], [64, '']);
  assert.match(
    stderr,
    /^kube-ipvs: "10\.96\.0\.10" is no ADDRESS:PORT; .*\nkube-ipvs: --from is ".*"; write pod.*\nkube-ipvs: --cluster-cidr is "x".*\nRun 'kube-ipvs help explain' for usage\.\n$/,
  );
  assert.ok(!stderr.includes('\u001b'));
});

it('broken manifests are status 64', async () => {
  const { status, stdout, stderr } = await kubeIpvs(['explain', '--manifests', '-', '10.96.0.10:80'], { input: '' });
  assert.deepEqual([status, stdout], [64, '']);
  assert.match(stderr, /nothing can be explained: mend the manifests first\n$/);
});
