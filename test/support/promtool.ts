/** Prometheus' own tool, which reads metrics and rules as a Prometheus server does. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const whereIsPromtool = fileURLToPath(new URL('../../../scripts/lib/promtool', import.meta.url));

export interface Verdict {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Fails where there is no promtool and none can be had. */
export function runPromtool(args: readonly string[], input = ''): Verdict {
  const found = spawnSync(whereIsPromtool, { encoding: 'utf8' });
  assert.equal(found.status, 0, found.stderr);
  const promtool = spawnSync(found.stdout.trimEnd(), args, { input, encoding: 'utf8' });
  assert.equal(promtool.error, undefined);
  return promtool;
}
