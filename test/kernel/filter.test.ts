/** Our tables in a real kernel, judged by nft. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/native.ts';
import { families, type Family } from '../../src/model/address.ts';
import { type Element, element, sameElement, type Table } from '../../src/model/filter.ts';
import type { Op } from '../../src/model/op.ts';
import { cidr, detectors, facts, listing, tableOf } from '../support/filter-tables.ts';
import { address } from '../support/cluster.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { parseOp } from '../support/parse-op.ts';

const both = facts({ nodeIPs: ['192.0.2.1', '2001:db8::1'], podCIDRs: ['10.244.7.0/24', 'fd00:244:7::/64'] });
const familyNames: Readonly<Record<Family, string>> = { 4: 'ip', 6: 'ip6' };

describe('our tables in the kernel', () => {
  let namespace: KernelNamespace;
  let kernel: Kernel;

  before(() => {
    namespace = new KernelNamespace('filter');
    kernel = openKernel({ netns: namespace.name });
  });

  after(() => {
    kernel.close();
    namespace.close();
  });

  function nft(...args: readonly string[]): string {
    return namespace.execute(['nft', ...args]);
  }

  function load(text: string): void {
    namespace.execute(['nft', '-f', '-'], text);
  }

  async function apply(...ops: readonly Op[]) {
    return (await kernel.apply(ops)).answers;
  }

  async function done(...ops: readonly Op[]): Promise<void> {
    assert.deepEqual(
      await apply(...ops),
      ops.map(() => 'done'),
    );
  }

  function tableOp(verb: 'add' | 'edit' | 'delete', table: Table): Op {
    return { kind: 'table', verb, table };
  }

  async function fresh(table: Table): Promise<void> {
    nft('flush', 'ruleset');
    await done(tableOp('add', table));
  }

  for (const [name, pods] of Object.entries(detectors)) {
    for (const masqueradeAll of [false, true]) {
      it(`with Pods detected by ${name}${masqueradeAll ? ', masquerading all' : ''}, nft lists the very rules that were written`, async () => {
        const routedCIDRs = masqueradeAll ? [cidr('10.96.0.0/12'), cidr('fd00:96::/108')] : [];
        const tables = families.map((family) => tableOf(family, both, { pods, masqueradeAll, routedCIDRs }));
        await done(...tables.map((table) => tableOp('add', table)));
        assert.equal(nft('list', 'ruleset'), tables.map(listing).join(''));
        assert.deepEqual(await kernel.tables(tables), ['same', 'same']);
      });
    }
  }

  it('nft loads its own listing, and lists the same', async () => {
    await done(...families.map((family) => tableOp('add', tableOf(family, both))));
    const listed = nft('list', 'ruleset');
    load(`flush ruleset\n${listed}`);
    assert.equal(nft('list', 'ruleset'), listed);
  });

  it('without an address of its own the node masquerades by device alone', async () => {
    const table = tableOf(4, facts());
    await fresh(table);
    assert.equal(nft('list', 'ruleset'), listing(table));
    assert.doesNotMatch(nft('list', 'ruleset'), /snat/);
  });

  for (const family of families) {
    const ip = familyNames[family];
    const table = tableOf(family, both, { pods: detectors['networks of both families']! });
    const ours = `table ${ip} kube-ipvs`;
    const state = async () => (await kernel.tables([table]))[0];
    /** The handle that nft gives the first rule with this text. */
    const handleOf = (chain: string, text: string) => {
      const line = nft('-a', 'list', 'chain', ip, 'kube-ipvs', chain)
        .split('\n')
        .find((one) => one.includes(text));
      return /# handle (\d+)/.exec(line ?? '')![1]!;
    };

    describe(`the ${ours}`, () => {
      it('is absent before it is added and after it is deleted', async () => {
        nft('flush', 'ruleset');
        assert.equal(await state(), 'absent');
        await done(tableOp('add', table));
        assert.equal(await state(), 'same');
        await done(tableOp('delete', table));
        assert.equal(await state(), 'absent');
        assert.equal(nft('list', 'ruleset'), '');
        assert.deepEqual(await apply(tableOp('delete', table)), [{ errno: 'ENOENT' }]);
        assert.deepEqual(await apply(tableOp('edit', table)), [{ errno: 'ENOENT' }]);
      });

      const meddling: Readonly<Record<string, () => void>> = {
        'a rule is deleted': () =>
          nft('delete', 'rule', ip, 'kube-ipvs', 'virtual-ip', 'handle', handleOf('virtual-ip', 'tcp reset')),
        'a rule is added': () => nft('add', 'rule', ip, 'kube-ipvs', 'input', 'counter'),
        'a rule is inserted': () => nft('insert', 'rule', ip, 'kube-ipvs', 'input', 'accept'),
        'a rule is exchanged': () =>
          nft('replace', 'rule', ip, 'kube-ipvs', 'virtual-ip', 'handle', handleOf('virtual-ip', 'reset'), 'drop'),
        "a rule's comment is another": () => {
          const handle = handleOf('virtual-ip', 'reset');
          nft(
            'replace',
            'rule',
            ip,
            'kube-ipvs',
            'virtual-ip',
            'handle',
            handle,
            'reject with tcp reset comment "changed"',
          );
        },
        'two rules change places': () => {
          const handle = handleOf('virtual-ip', 'reject with tcp reset');
          nft('delete', 'rule', ip, 'kube-ipvs', 'virtual-ip', 'handle', handle);
          nft('add', 'rule', ip, 'kube-ipvs', 'virtual-ip', 'reject with tcp reset comment "nobody listens here"');
        },
        'all rules are flushed': () => nft('flush', 'table', ip, 'kube-ipvs'),
        'a chain is flushed': () => nft('flush', 'chain', ip, 'kube-ipvs', 'postrouting'),
        'a chain is added': () => nft('add', 'chain', ip, 'kube-ipvs', 'foreign'),
        'a chain has another policy': () => load(`add chain ${ip} kube-ipvs input { policy drop; }`),
        'a chain has another place': () => {
          nft('flush', 'chain', ip, 'kube-ipvs', 'postrouting');
          nft('delete', 'chain', ip, 'kube-ipvs', 'postrouting');
          load(`add chain ${ip} kube-ipvs postrouting { type nat hook postrouting priority 90; }`);
        },
        'a set is added': () => load(`add set ${ip} kube-ipvs foreign { type inet_service; }`),
        'a rule has a set of its own': () =>
          nft('add', 'rule', ip, 'kube-ipvs', 'input', 'tcp', 'dport', '{ 1, 2 }', 'drop'),
        'a rule has a chain of its own': () =>
          nft('add', 'rule', ip, 'kube-ipvs', 'input', 'tcp', 'dport', '1', 'jump', '{ drop; }'),
      };

      // what the kernel shows does not depend on the family
      for (const [what, meddle] of Object.entries(family === 4 ? meddling : {})) {
        it(`has other rules when ${what}, and an edit makes it the same and keeps its elements`, async () => {
          await fresh(table);
          const kept = samples(family);
          await done(...kept.map((one): Op => ({ kind: 'element', verb: 'add', element: one })));
          meddle();
          assert.equal(await state(), 'other rules');
          await done(tableOp('edit', table));
          assert.equal(await state(), 'same');
          assertSameElements(await kernel.elements(family), kept);
          load(table.sets.map(({ name, data }) => `flush ${data ? 'map' : 'set'} ${ip} kube-ipvs ${name}\n`).join(''));
          assert.equal(blocks(nft('list', 'ruleset')), blocks(listing(table)));
        });
      }

      const setsAlone = listing({ ...table, chains: [] });
      const breaking: Readonly<Record<string, () => void>> = {
        'a set is missing': () => load(setsAlone.replace(/\tset restricted [^}]*}\n/, '')),
        'a set is of another type': () =>
          load(setsAlone.replace(/(set health-check-ports .*\n\t\ttype) \S+/, '$1 inet_proto')),
        'a set holds intervals where ours does not': () =>
          load(setsAlone.replace(/(set health-check-ports .*\n.*\n)/, '$1\t\tflags interval\n')),
        'a set takes only so many elements': () =>
          load(setsAlone.replace(/(set health-check-ports .*\n.*\n)/, '$1\t\tsize 2\n')),
        'somebody decides by a verdict map in it': () =>
          load(`${listing(table)}\nadd chain ${ip} kube-ipvs far\nadd map ${ip} kube-ipvs v { type inet_service : verdict; }
add element ${ip} kube-ipvs v { 1 : jump far }`),
        'a name in it is longer than we can say': () => nft('add', 'chain', ip, 'kube-ipvs', 'x'.repeat(40)),
      };

      for (const [what, meddle] of Object.entries(family === 4 ? breaking : {})) {
        it(`is another when ${what}, and is the same when it has been added anew, without elements`, async () => {
          nft('flush', 'ruleset');
          if (what.startsWith('a name')) await done(tableOp('add', table));
          meddle();
          assert.equal(await state(), 'other');
          load(`add element ${ip} kube-ipvs numbered-devices { "eth0" }`);
          await done(tableOp('add', table));
          assert.equal(await state(), 'same');
          assert.equal(nft('list', 'ruleset'), listing(table));
        });
      }

      it('is not told by the order of its chains and sets', async () => {
        const turned = { ...table, sets: table.sets.toReversed() };
        await fresh(turned);
        assert.equal(await state(), 'same');
      });

      it('changes by an edit to the rules of another configuration', async () => {
        await fresh(table);
        const other = tableOf(family, facts(), { masqueradeAll: true });
        assert.deepEqual(await kernel.tables([other]), ['other rules']);
        await done(tableOp('edit', other));
        assert.deepEqual(await kernel.tables([other]), ['same']);
        assert.equal(nft('list', 'ruleset'), listing(other));
      });

      it('is changed as a whole or not at all', async () => {
        await fresh(table);
        const broken = {
          ...table,
          chains: [...table.chains, { name: 'x', base: undefined, rules: [{ text: 'jump gone', comment: '' }] }],
        };
        for (const verb of ['add', 'edit'] as const) {
          assert.deepEqual(await apply(tableOp(verb, broken)), [{ errno: 'ENOENT' }]);
          assert.equal(await state(), 'same');
        }
      });

      it("leaves other tables alone, those of the same name in the other family and others' of the same family", async () => {
        const foreign = `table ${ip} other {\n\tset services {\n\t\ttype inet_service\n\t\telements = { 80 }\n\t}\n\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t\ttcp dport @services accept\n\t}\n}\n`;
        const twin = familyNames[family === 4 ? 6 : 4];
        const namesake = `table ${twin} kube-ipvs {\n\tchain input {\n\t\taccept\n\t}\n}\n`;
        nft('flush', 'ruleset');
        load(foreign + namesake);
        const rest = () => [nft('list', 'table', ip, 'other'), nft('list', 'table', twin, 'kube-ipvs')];
        await done(tableOp('add', table));
        await done(tableOp('edit', table));
        assert.deepEqual(rest(), [foreign, namesake]);
        assert.equal(await state(), 'same');
        await done(tableOp('delete', table));
        assert.deepEqual(rest(), [foreign, namesake]);
      });
    });

    describe(`elements of the ${ours}`, () => {
      it('are those that nft shows, and come back as they were added', async () => {
        await fresh(table);
        const added = samples(family);
        await done(...added.map((one): Op => ({ kind: 'element', verb: 'add', element: one })));
        const listed = nft('list', 'table', ip, 'kube-ipvs');
        for (const text of shown[family]) assert.ok(listed.includes(text), `${text} in ${listed}`);
        assertSameElements(await kernel.elements(family), added);
        await done(...added.map((one): Op => ({ kind: 'element', verb: 'delete', element: one })));
        assert.deepEqual(await kernel.elements(family), []);
        assert.equal(nft('list', 'ruleset'), listing(table));
      });

      it('are added twice without harm; what is not there is refused, and what one refusal stopped is done all the same', async () => {
        await fresh(table);
        const [first, second, third] = ['10', '11', '12'].map((end) =>
          parseOp(
            `nft add element ${ip} kube-ipvs services { ${family === 4 ? '10.96.0.' : 'fd00::'}${end} . tcp . 80 }`,
          ),
        ) as [Op, Op, Op];
        const without = { ...second, verb: 'delete' } as Op;
        await done(first);
        assert.deepEqual(await apply(first, without, third), ['done', { errno: 'ENOENT' }, 'done']);
        assert.equal((await kernel.elements(family)).length, 2);
      });

      it('that somebody else made can be deleted, whatever they are', async () => {
        await fresh(table);
        const [vip, from, to] =
          family === 4 ? ['10.0.0.1', '10.1.0.5', '10.1.0.9'] : ['fd00::1', 'fd00:1::5', 'fd00:1::9'];
        load(`
          add element ${ip} kube-ipvs allowed-sources { ${vip} . tcp . 80 . ${from}-${to}, ${vip} . tcp . 8080-8090 . ${from} }
          add element ${ip} kube-ipvs services { ${vip} . 47 . 0 }
          add element ${ip} kube-ipvs numbered-devices { "fe-1" }
          add element ${ip} kube-ipvs local-clients { ${vip} . udp . 53 : ${from} . 5353, * : ${from} . 53 }
          add element ${ip} kube-ipvs masqueraded { * }`);
        const found = await kernel.elements(family);
        assert.deepEqual(found.map(({ id }) => id).toSorted(), [
          `${ip} allowed-sources ${vip} . tcp . 80 . ${from}-${to}`,
          `${ip} allowed-sources ${vip} . tcp . 8080-8090 . ${from}`,
          `${ip} local-clients *`,
          `${ip} local-clients ${vip} . udp . 53`,
          `${ip} masqueraded *`,
          `${ip} numbered-devices fe-1`,
          `${ip} services ${vip} . 47 . 0`,
        ]);
        await done(...found.map((one): Op => ({ kind: 'element', verb: 'delete', element: one })));
        assert.deepEqual(await kernel.elements(family), []);
        assert.equal(nft('list', 'ruleset'), listing(table));
      });

      it('of a map change their data only by deletion and addition', async () => {
        await fresh(table);
        const [vip, one, other] =
          family === 4 ? ['10.0.0.1', '10.96.0.1', '10.96.0.2'] : ['fd00::1', 'fd00:96::1', 'fd00:96::2'];
        const mapped = (to: string) => element(family, 'localClients', [address(vip), 'TCP', 80], [address(to), 8080]);
        await done({ kind: 'element', verb: 'add', element: mapped(one) });
        assert.deepEqual(await apply({ kind: 'element', verb: 'add', element: mapped(other) }), [{ errno: 'EEXIST' }]);
        await done(
          { kind: 'element', verb: 'delete', element: mapped(one) },
          { kind: 'element', verb: 'add', element: mapped(other) },
        );
        assert.match(nft('list', 'table', ip, 'kube-ipvs'), new RegExp(`: ${other} . 8080`));
      });

      it('of an absent table are none, and none can be added', async () => {
        nft('flush', 'ruleset');
        assert.deepEqual(await kernel.elements(family), []);
        const op: Op = { kind: 'element', verb: 'add', element: samples(family)[0]! };
        assert.deepEqual(await apply(op), [{ errno: 'ENOENT' }]);
      });
    });
  }

  it('thousands of elements, of both families and one of them bad, take few transactions', async () => {
    nft('flush', 'ruleset');
    const tables = families.map((family) => tableOf(family, both));
    await done(...tables.map((table) => tableOp('add', table)));
    const ops = Array.from({ length: 20_000 }, (_, i): Op => {
      const family = i % 2 === 0 ? 4 : 6;
      const host = family === 4 ? `10.${100 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}` : `fd00::${i.toString(16)}`;
      return {
        kind: 'element',
        verb: i === 9_999 ? 'delete' : 'add',
        element: element(family, 'services', [address(host), 'TCP', 80]),
      };
    });
    const answers = await apply(...ops);
    assert.deepEqual(answers[9_999], { errno: 'ENOENT' });
    assert.ok(answers.every((answer, i) => i === 9_999 || answer === 'done'));
    assert.equal((await kernel.elements(4)).length, 10_000);
    assert.equal((await kernel.elements(6)).length, 9_999);
  });
});

/** One element of every set. */
function samples(family: Family): Element[] {
  const [vip, pod, network, clusterIP] =
    family === 4
      ? ['10.96.0.10', '10.244.0.1', '10.0.0.0/12', '10.96.0.77']
      : ['fd00:96::10', 'fd00:244::1', '2001:db8::/35', 'fd00:96::77'];
  const service = [address(vip), 'UDP', 65_535] as const;
  return [
    element(family, 'services', service),
    element(family, 'clusterIPs', service),
    element(family, 'masqueraded', service),
    element(family, 'virtualIPs', [address(vip)]),
    element(family, 'healthCheckPorts', [30_000]),
    element(family, 'hairpins', [address(pod), address(pod), 'SCTP', 8080]),
    element(family, 'restricted', service),
    element(family, 'allowedSources', [...service, cidr(network)]),
    element(family, 'allowedSources', [...service, cidr(`${clusterIP}/${family === 4 ? 32 : 128}`)]),
    element(family, 'withoutLocal', service),
    element(family, 'localClients', service, [address(clusterIP), 443]),
    element(family, 'numberedDevices', ['eth0.100-internal'.slice(0, 15)]),
  ];
}

/** What nft must show of them. */
const shown: Readonly<Record<Family, readonly string[]>> = {
  4: [
    'elements = { 10.96.0.10 . udp . 65535 }',
    'elements = { 10.244.0.1 . 10.244.0.1 . sctp . 8080 }',
    '10.96.0.10 . udp . 65535 . 10.0.0.0/12',
    '10.96.0.10 . udp . 65535 . 10.96.0.77',
    'elements = { 10.96.0.10 . udp . 65535 : 10.96.0.77 . 443 }',
    'elements = { "eth0.100-intern" }',
    'elements = { 30000 }',
  ],
  6: [
    'elements = { fd00:96::10 . udp . 65535 }',
    'elements = { fd00:244::1 . fd00:244::1 . sctp . 8080 }',
    'fd00:96::10 . udp . 65535 . 2001:db8::/35',
    'fd00:96::10 . udp . 65535 . fd00:96::77',
    'elements = { fd00:96::10 . udp . 65535 : fd00:96::77 . 443 }',
    'elements = { "eth0.100-intern" }',
    'elements = { 30000 }',
  ],
};

/** Regardless of order. */
function assertSameElements(found: readonly Element[], wanted: readonly Element[]): void {
  assert.deepEqual(found.map(({ id }) => id).toSorted(), wanted.map(({ id }) => id).toSorted());
  for (const one of wanted) assert.ok(sameElement(one, found.find(({ id }) => id === one.id)!), one.id);
}

/** A listing whatever the order of its chains. */
function blocks(listed: string): string {
  return listed
    .replace(/^table .*|}\n$/g, '')
    .split('\n\n')
    .map((block) => block.trim())
    .toSorted()
    .join('\n\n');
}
