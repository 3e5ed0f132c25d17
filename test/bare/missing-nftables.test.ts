/** A packet filter that is not there. Needs a freshly booted guest: it turns module loading off for the whole kernel. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { openKernel } from '../../src/kernel/native.ts';
import { refusalText } from '../../src/kernel/refusals.ts';
import type { Op } from '../../src/model/op.ts';
import { facts, tableOf } from '../support/filter-tables.ts';
import { parseOp } from '../support/parse-op.ts';

test('a kernel without nf_tables, and then without parts of it: what to do is said each time', async () => {
  writeFileSync('/proc/sys/kernel/modprobe', '/bin/false');
  assert.ok(!existsSync('/sys/module/nf_tables'), 'this needs a guest that has not loaded it');
  const kernel = openKernel();
  const table = tableOf(4, facts());
  const add: Op = { kind: 'table', verb: 'add', table };
  const missing = { name: 'KernelError', code: 'NO_NFTABLES', message: /modprobe nf_tables/ };
  await assert.rejects(kernel.tables([table]), missing);
  await assert.rejects(kernel.otherFilterChanges(), missing);
  execFileSync('modprobe', ['nfnetlink']);
  await assert.rejects(kernel.tables([table]), missing);
  await assert.rejects(kernel.otherFilterChanges(), missing);
  for (const op of [add, parseOp('nft add element ip kube-ipvs services { 10.96.0.10 . tcp . 80 }')]) {
    const [answer] = (await kernel.apply([op])).answers;
    assert.ok(typeof answer === 'object');
    assert.match(refusalText(op, answer), /modprobe nf_tables/);
  }
  execFileSync('modprobe', ['nf_tables']);
  const [answer] = (await kernel.apply([add])).answers;
  assert.ok(typeof answer === 'object');
  assert.match(refusalText(add, answer), /modprobe -a .*nft_ct.*nft_masq/);
  assert.deepEqual(await kernel.tables([table]), ['absent']);
  for (const name of 'nft_chain_nat nft_ct nft_masq nft_nat nft_reject_ipv4 nft_reject_ipv6'.split(' ')) {
    execFileSync('modprobe', [name]);
  }
  for (const one of [table, tableOf(6, facts())]) {
    assert.deepEqual((await kernel.apply([{ kind: 'table', verb: 'add', table: one }])).answers, ['done']);
    assert.deepEqual(await kernel.tables([one]), ['same']);
  }
  kernel.close();
});
