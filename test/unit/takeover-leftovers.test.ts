/** What is found of kube-proxy, and removed, by way of programs that may not be there or fail. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findLeftovers, leftoverLines, type Sight } from '../../src/cli/takeover/leftovers.ts';
import { removalSummary, removeLeftovers } from '../../src/cli/takeover/remove.ts';
import type { Ran } from '../../src/cli/takeover/tools.ts';
import { filterNames } from '../support/filter-names.ts';

interface Machine {
  /** Chains of nf_tables: `ip nat KUBE-SERVICES`. */
  readonly nftables?: readonly string[];
  /** Those of legacy iptables. */
  readonly legacy?: readonly string[];
  readonly sets?: readonly string[];
  /** What programs print, by their command line; those of which there is a line are there. */
  readonly programs?: Readonly<Record<string, string | Ran>>;
  readonly refusal?: string;
}

function sight({ nftables = [], legacy = [], sets = [], programs = {}, refusal }: Machine): Sight & { ran: string[] } {
  const ran: string[] = [];
  return {
    ran,
    tools: {
      find: (name) => (Object.keys(programs).some((line) => line.split(' ')[0] === name) ? name : undefined),
      run: (path, args, input) => {
        const line = [path, ...args].join(' ');
        ran.push(input === undefined ? line : `${line} <<< ${input}`);
        const answer = programs[line] ?? { status: 1, stdout: '', stderr: `${line} is not expected` };
        return Promise.resolve(typeof answer === 'string' ? { status: 0, stdout: answer, stderr: '' } : answer);
      },
    },
    nftables: () => Promise.resolve(filterNames(...nftables)),
    legacy: () => Promise.resolve(filterNames(...legacy)),
    sets: () => Promise.resolve(sets),
    deleteTable: () => Promise.resolve(refusal),
  };
}

const rules = `*nat
:POSTROUTING ACCEPT [1:60]
:KUBE-POSTROUTING - [0:0]
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
COMMIT
`;
const ruleLines = (command: string) => [
  `${command} -t nat -D POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING`,
  `${command} -t nat -X KUBE-POSTROUTING`,
];
const nat = ['ip nat', 'ip nat POSTROUTING', 'ip nat KUBE-POSTROUTING'];
const terms = { signal: new AbortController().signal, onDone: () => {} };

describe('on a node', () => {
  it('without anything of kube-proxy no program is run', async () => {
    const clean = sight({
      nftables: ['ip nat POSTROUTING', 'ip nat DOCKER', 'ip filter KUBE-FIREWALL'],
      legacy: ['ip6 nat', 'ip6 nat DOCKER'],
      sets: ['KUBE-SRC-ABCDEFGHIJKLMNOP', 'mine'],
    });
    const found = await findLeftovers(clean);
    assert.deepEqual([leftoverLines(found), found.remaining, clean.ran], [[], [], []]);
  });

  it('rules of iptables-nft are found by the chains that the kernel shows', async () => {
    const found = await findLeftovers(
      sight({ nftables: nat, programs: { 'iptables-nft-save': rules, 'iptables-nft-restore': '' } }),
    );
    assert.deepEqual([leftoverLines(found), found.remaining], [ruleLines('iptables-nft'), []]);
  });

  it('rules of legacy iptables are found likewise', async () => {
    const found = await findLeftovers(
      sight({
        legacy: ['ip6 filter', 'ip6 nat', 'ip6 nat KUBE-POSTROUTING'],
        programs: { 'ip6tables-legacy-save': rules, 'ip6tables-legacy-restore': '' },
      }),
    );
    assert.deepEqual(leftoverLines(found), ruleLines('ip6tables-legacy'));
  });

  it('an iptables without a kind in its name is used where it is of that kind', async () => {
    const named = (version: string) => ({
      'iptables-save': rules,
      'iptables-save --version': version,
      'iptables-restore': '',
    });
    const legacy = nat;
    const old = await findLeftovers(sight({ legacy, programs: named('iptables-save v1.6.2') }));
    assert.deepEqual(leftoverLines(old), ruleLines('iptables'));
    const other = await findLeftovers(sight({ legacy, programs: named('iptables-save v1.8.9 (nf_tables)') }));
    assert.deepEqual(leftoverLines(other), []);
    assert.match(other.remaining[0]!, /has rules in the tables of iptables-legacy \(nat\)/);
  });

  it('without iptables and ipset it is told what cannot be removed', async () => {
    const { remaining } = await findLeftovers(
      sight({ nftables: nat, sets: ['KUBE-CLUSTER-IP', 'KUBE-LOOP-BACK', 'mine'] }),
    );
    assert.equal(remaining.length, 2);
    assert.match(remaining[0]!, /^kube-proxy has rules in the tables of iptables-nft \(nat\), and no iptables /);
    assert.match(remaining[1]!, /^kube-proxy has ipsets \(2\), and no ipset that could remove them is on this machine/);
  });

  it('the last line says nothing is left only where nothing is', async () => {
    const missing = sight({ nftables: nat });
    const left = await removeLeftovers(missing, await findLeftovers(missing), terms);
    assert.equal(removalSummary(left, false), 'kube-proxy: nothing of it removed');
    assert.equal(removalSummary({ done: [], remaining: [] }, false), 'kube-proxy: nothing of it to remove');
    const done = [
      'iptables-nft -t nat -D PREROUTING -j KUBE-SERVICES',
      'iptables-nft -t nat -X KUBE-SERVICES',
      'ipset destroy KUBE-LOOP-BACK',
    ];
    assert.equal(
      removalSummary({ done, remaining: ['something stays'] }, true),
      'kube-proxy: would be: 1 rule, 1 chain, 1 ipset, 0 tables removed',
    );
  });

  it('ipsets are found by name, and those that rules look into which stay are told', async () => {
    const admin = `*filter\n:ADMIN - [0:0]\n:KUBE-FORWARD - [0:0]\n-A ADMIN -m set --match-set KUBE-IPVS-IPS dst -j DROP\nCOMMIT\n`;
    const found = await findLeftovers(
      sight({
        nftables: ['ip filter KUBE-FORWARD'],
        sets: ['KUBE-IPVS-IPS', 'KUBE-CLUSTER-IP', 'KUBE-SRC-ABCDEFGHIJKLMNOP', 'mine'],
        programs: {
          'iptables-nft-save': admin,
          'iptables-nft-restore': '',
          'ipset save KUBE-CLUSTER-IP': 'add KUBE-CLUSTER-IP 10.96.0.10,tcp:80\n',
        },
      }),
    );
    assert.deepEqual(found.sets, ['KUBE-CLUSTER-IP']);
    assert.equal(found.named, 'add KUBE-CLUSTER-IP 10.96.0.10,tcp:80\n');
    assert.match(found.remaining[0]!, /^the ipset KUBE-IPVS-IPS stays: a rule that stays looks into it/);
  });

  it('ipsets that a set of somebody else holds are not planned to go', async () => {
    const headers = (name: string, type: string) => `Name: ${name}\nType: ${type}\nRevision: 3\nReferences: 0\n`;
    const found = await findLeftovers(
      sight({
        sets: ['KUBE-LOOP-BACK', 'KUBE-CLUSTER-IP', 'mine', 'all'],
        programs: {
          'ipset list -terse': [headers('KUBE-LOOP-BACK', 'hash:ip,port,ip'), headers('all', 'list:set')].join('\n'),
          'ipset save all': 'create all list:set size 8\nadd all mine\nadd all KUBE-LOOP-BACK\n',
          'ipset save KUBE-CLUSTER-IP': '',
        },
      }),
    );
    assert.deepEqual(leftoverLines(found), ['ipset destroy KUBE-CLUSTER-IP']);
    assert.deepEqual(found.remaining, [
      'the ipset KUBE-LOOP-BACK stays: the ipset all holds it; take it out there and run again',
    ]);
  });

  it('ipsets that rules of others look into stay when no chain of kube-proxy is left beside them', async () => {
    const admin = (set: string) =>
      `*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m set --match-set ${set} dst -j DROP\nCOMMIT\n`;
    const machine = sight({
      nftables: ['ip raw', 'ip raw PREROUTING', 'ip6 kube-ipvs'],
      legacy: ['ip6 raw'],
      sets: ['KUBE-LOOP-BACK', 'KUBE-6-LOOP-BACK'],
      programs: {
        'iptables-nft-save': admin('KUBE-LOOP-BACK'),
        'iptables-nft-restore': '',
        'ip6tables-legacy-save': admin('KUBE-6-LOOP-BACK'),
        'ip6tables-legacy-restore': '',
        ipset: '',
      },
    });
    const found = await findLeftovers(machine);
    assert.deepEqual(leftoverLines(found), []);
    assert.deepEqual(found.remaining, [
      'the ipset KUBE-LOOP-BACK stays: a rule that stays looks into it; delete that rule and run again',
      'the ipset KUBE-6-LOOP-BACK stays: a rule that stays looks into it; delete that rule and run again',
    ]);
    assert.deepEqual(machine.ran, ['iptables-nft-save', 'ip6tables-legacy-save']);
  });

  it('ipsets stay, with a dry run too, where rules that stay cannot be looked at', async () => {
    const sets = ['KUBE-LOOP-BACK', 'KUBE-CLUSTER-IP', 'KUBE-6-LOOP-BACK'];
    const programs = {
      'ipset list -terse': '',
      'ipset save KUBE-CLUSTER-IP': 'add KUBE-CLUSTER-IP 10.96.0.10,tcp:80\n',
    };
    const incompatible = "# Table `nat' is incompatible, use 'nft' tool.\n";
    for (const rulesThatStay of [
      {},
      { 'iptables-nft-save': { status: 1, stdout: '', stderr: 'Fatal' }, 'iptables-nft-restore': '' },
      { 'iptables-nft-save': incompatible, 'iptables-nft-restore': '' },
    ]) {
      const found = await findLeftovers(sight({ nftables: nat, sets, programs: { ...programs, ...rulesThatStay } }));
      assert.deepEqual(leftoverLines(found), ['ipset destroy KUBE-6-LOOP-BACK']);
      assert.equal(found.named, 'add KUBE-CLUSTER-IP 10.96.0.10,tcp:80\n');
      assert.match(found.remaining[1]!, /^the ipsets of IPv4 \(2\) stay: rules that stay, and cannot be looked at, /);
      assert.equal(found.remaining.length, 2);
    }
  });

  it('an ipset that names virtual services stays until it is known which', async () => {
    const found = await findLeftovers(
      sight({
        sets: ['KUBE-LOOP-BACK', 'KUBE-NODE-PORT-TCP'],
        programs: {
          'ipset list -terse': '',
          'ipset save KUBE-NODE-PORT-TCP': { status: 1, stdout: '', stderr: 'Kernel and userspace incompatible' },
        },
      }),
    );
    assert.deepEqual(leftoverLines(found), ['ipset destroy KUBE-LOOP-BACK']);
    assert.deepEqual(found.remaining, [
      'the ipset KUBE-NODE-PORT-TCP stays: ipset does not show what it names: Kernel and userspace incompatible; mend that and run again',
    ]);
  });

  it('a program that fails, and a table that the kernel keeps, are told with their reasons', async () => {
    const machine = sight({
      nftables: [...nat, 'ip6 kube-proxy'],
      refusal: 'EBUSY',
      sets: ['KUBE-LOOP-BACK'],
      programs: {
        'iptables-nft-save': rules,
        'iptables-nft-restore -w 5 --noflush': { status: 4, stdout: '', stderr: 'iptables-restore: line 3 failed\n\n' },
        'ipset destroy KUBE-LOOP-BACK': { status: undefined, stdout: '', stderr: 'it did not end within 60 s' },
      },
    });
    const found = await findLeftovers(machine);
    const { done, remaining } = await removeLeftovers(machine, found, terms);
    assert.deepEqual(done, []);
    assert.deepEqual(remaining, [
      'the rules and chains of iptables-nft stay: iptables-restore: line 3 failed; run again',
      'the ipset KUBE-LOOP-BACK stays: it did not end within 60 s; remove what uses it and run again',
      'the table ip6 kube-proxy stays: the kernel refuses to delete it (EBUSY); run again',
    ]);
  });

  it('what was removed is told as it goes, though the rest be interrupted', async () => {
    const machine = sight({
      nftables: nat,
      sets: ['KUBE-LOOP-BACK', 'KUBE-CLUSTER-IP'],
      programs: {
        'iptables-nft-save': rules,
        'iptables-nft-restore': '',
        'ipset save KUBE-CLUSTER-IP': '',
        'ipset destroy KUBE-LOOP-BACK': '',
      },
    });
    const found = await findLeftovers(machine);
    const told: string[] = [];
    const interrupted = new Error('interrupted');
    const tools: Sight['tools'] = {
      find: (name) => machine.tools.find(name),
      run: (_, args) =>
        args.includes('KUBE-CLUSTER-IP')
          ? Promise.reject(interrupted)
          : Promise.resolve({ status: 0, stdout: '', stderr: '' }),
    };
    const removal = removeLeftovers({ ...machine, tools }, found, { ...terms, onDone: (line) => told.push(line) });
    await assert.rejects(removal, interrupted);
    assert.deepEqual(told, [...ruleLines('iptables-nft'), 'ipset destroy KUBE-LOOP-BACK']);
  });

  it('a rule that is there twice is removed twice, and told so as it was planned', async () => {
    const jump = '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING\n';
    const machine = sight({
      nftables: nat,
      programs: { 'iptables-nft-save': rules.replace(jump, jump + jump), 'iptables-nft-restore': '' },
    });
    const ran: Sight['tools']['run'] = () => Promise.resolve({ status: 0, stdout: '', stderr: '' });
    const found = await findLeftovers(machine);
    const told: string[] = [];
    const gone = { ...machine, nftables: () => Promise.resolve([]), tools: { ...machine.tools, run: ran } };
    const { done } = await removeLeftovers(gone, found, { ...terms, onDone: (line) => told.push(line) });
    const [jumpLine, chainLine] = ruleLines('iptables-nft');
    assert.deepEqual([told, done], [leftoverLines(found), [jumpLine, jumpLine, chainLine]]);
  });

  it('what a program that failed has done all the same is told too, once', async () => {
    const machine = sight({
      nftables: nat,
      programs: {
        'iptables-nft-save': rules,
        'iptables-nft-restore -w 5 --noflush': { status: 4, stdout: '', stderr: 'line 9 failed' },
      },
    });
    const found = await findLeftovers(machine);
    const told: string[] = [];
    const gone = { ...machine, nftables: () => Promise.resolve([]) };
    const { done } = await removeLeftovers(gone, found, { ...terms, onDone: (line) => told.push(line) });
    assert.deepEqual([told, done], [ruleLines('iptables-nft'), ruleLines('iptables-nft')]);
  });
});
