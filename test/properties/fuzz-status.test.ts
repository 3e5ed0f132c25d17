/** Whatever answers at the status socket: a report that prints safely, or a StatusError. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { askDaemon, StatusError } from '../../src/cli/status-client.ts';
import { statusText } from '../../src/cli/status-text.ts';
import { statusJson } from '../../src/model/status-json.ts';
import { assertPrintable, fuzz, type Mutator } from '../support/mutation.ts';
import { sampleReport } from '../support/status-report.ts';

const folder = mkdtempSync(join(tmpdir(), 'kube-ipvs-fuzz-'));
const socket = join(folder, 'status.sock');
const { signal } = new AbortController();
let answer = '';
const server = createServer((_, response) => response.setHeader('connection', 'close').end(answer));

before(async () => {
  server.listen(socket);
  await once(server, 'listening');
});
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

async function check(): Promise<void> {
  try {
    const report = await askDaemon(socket, { signal });
    assert.ok(report !== undefined);
    for (const wide of [false, true])
      for (const line of statusText(report, { wide, socket }).split('\n')) assertPrintable(line);
  } catch (error) {
    assert.ok(error instanceof StatusError, (error as Error).stack);
    assertPrintable(error.message);
  }
}

const text = statusJson(sampleReport);

fuzz('bytes', 250, async (mutator) => {
  answer = mutator.text([text]);
  await check();
});

fuzz('trees', 500, async (mutator: Mutator) => {
  answer = JSON.stringify(mutator.tree(JSON.parse(text)));
  await check();
});
