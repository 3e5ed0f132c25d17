/** What one pass prints, in each form that -o asks for. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { converge } from '../../src/cli/converge.ts';
import { readFacts } from '../../src/cli/facts.ts';
import { createLog } from '../../src/cli/log.ts';
import { unsettableText } from '../../src/cli/report.ts';
import { parseArguments } from '../../src/config/arguments.ts';
import { loadConfig } from '../../src/config/config.ts';
import { ApiServer } from '../support/api-server/api-server.ts';
import { endpoint, setService, storeOf } from '../support/cluster.ts';
import { hostOf } from '../support/configured.ts';
import { plainWishes } from '../support/node-loop.ts';
import { started, web, webSlice } from '../support/served-node.ts';
import { limit } from '../support/wanted-settings.ts';

/** Standard output of `reconcile --once` with these words, on a node that has nothing yet. */
async function printed(...words: readonly string[]): Promise<string> {
  const { flags, given } = parseArguments(['reconcile', '--once', ...words]);
  const loaded = loadConfig({ flags, given }, hostOf({}, 'node-a'));
  assert.ok('config' in loaded);
  const { config } = loaded;
  const out: string[] = [];
  const stdout = { write: (text: string) => out.push(text) };
  const stderr = { write: (text: string) => assert.fail(text) };
  const signal = new AbortController().signal;
  const streams = { stdin: Readable.from([]), stdout, stderr };
  const { kernel, store } = started(storeOf(setService(web), webSlice(endpoint('10.244.0.1'))));
  const status = await converge(
    { command: 'reconcile', operands: [], flags, given, config, signal, ...streams },
    {
      command: 'reconcile',
      wishes: plainWishes,
      store,
      kernel,
      startedAt: 0,
      log: createLog(config, stderr),
      extra: {},
    },
  );
  assert.equal(status, 0);
  return out.join('');
}

/** Without the summary, which has times in it. */
function operationLines(text: string): string[] {
  return text.trimEnd().split('\n').slice(0, -1);
}

it('text is a line for each operation, and so is wide', async () => {
  const lines = operationLines(await printed());
  assert.ok(lines.includes('-a -t 10.96.0.10:80 -r 10.244.0.1:8080 -m -w 1'), lines.join('\n'));
  assert.deepEqual(operationLines(await printed('-o', 'wide')), lines);
});

it('JSON is one document and nothing else', async () => {
  const { operations } = JSON.parse(await printed('-o', 'json')) as { operations: readonly { text: string }[] };
  assert.deepEqual(
    operations.map(({ text }) => text),
    operationLines(await printed()),
  );
});

it('a setting that can be written on the host only is told as the command for it', () => {
  assert.equal(
    unsettableText(limit),
    'sysctl -w net.netfilter.nf_conntrack_max=131072 cannot be done here; run it on the host',
  );
});

it('the README explains every field of the document, whatever the facts are from', async (context) => {
  const path = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
  const [, table = ''] = /^## JSON output$(.*?)^## /ms.exec(readFileSync(path('README.md'), 'utf8')) ?? [];
  const explained = new Set([...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) => cell!.match(/\w+/g) ?? []));
  const server = await ApiServer.start();
  context.after(() => server.close());
  const fields = Object.keys(JSON.parse(await printed('-o', 'json')) as object);
  for (const source of [
    ['--master', server.url],
    ['--manifests', path('test/examples/web.yaml')],
  ]) {
    const { flags, given } = parseArguments(['reconcile', '--once', ...source]);
    const loaded = loadConfig({ flags, given }, hostOf({}, 'node-a'));
    assert.ok('config' in loaded);
    const streams = { stdin: Readable.from([]), stdout: process.stdout, stderr: process.stderr };
    const signal = new AbortController().signal;
    const invocation = {
      command: 'reconcile',
      operands: [],
      flags,
      given,
      config: loaded.config,
      signal,
      ...streams,
    } as const;
    const log = createLog(loaded.config, { write: () => {} });
    fields.push(...Object.keys((await readFacts(invocation, log)).json));
  }
  assert.deepEqual(
    fields.filter((field) => !explained.has(field)),
    [],
  );
});
