/** Connection tracking that is not there. Needs a freshly booted guest: it turns module loading off for the whole kernel. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadAddon } from '../../src/kernel/addon.ts';
import { flowKey, flowRecord } from '../native/record.ts';

const addon = loadAddon();
const missing = { code: 'ERR_NO_CONNTRACK' };

test('a kernel without netfilter, and then without its conntrack part, has one code for both', async () => {
  writeFileSync('/proc/sys/kernel/modprobe', '/bin/false');
  assert.ok(!existsSync('/sys/module/nf_conntrack_netlink'), 'this needs a guest that has not loaded it');
  if (!existsSync('/sys/module/nfnetlink')) assert.throws(() => new addon.ConntrackSocket(), missing);
  execFileSync('modprobe', ['nfnetlink']);
  const socket = new addon.ConntrackSocket();
  await assert.rejects(socket.flows(flowKey()), missing);
  await assert.rejects(socket.delete(flowRecord()), missing);
  execFileSync('modprobe', ['nf_conntrack_netlink']);
  assert.equal((await socket.flows(flowKey())).length, 0);
  assert.deepEqual([...(await socket.delete(flowRecord())).errnos], [2]);
  socket.close();
});
