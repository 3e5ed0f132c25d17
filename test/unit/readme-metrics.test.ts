/** The metrics that the README names, in its guide and its alerts, beside those that the daemon shows. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TrafficSeries } from '../../src/serve/traffic-series.ts';
import { everything, metricsOf, trafficRow } from '../support/metrics.ts';

const readme = readFileSync(fileURLToPath(new URL('../../../README.md', import.meta.url)), 'utf8');

/** As the README may write several: `a_{one,two}_total`. */
const written = /\b((?:kubeproxy|kube_ipvs|rest_client)_[a-z_]*)(?:\{([a-z_,]+)\}([a-z_]*))?/g;

function named(): Set<string> {
  const names = new Set<string>();
  for (const [, head, choices, tail] of readme.matchAll(written)) {
    for (const choice of choices?.split(',') ?? ['']) names.add(`${head}${choice}${tail ?? ''}`);
  }
  return names;
}

async function shown(): Promise<Map<string, string>> {
  const traffic = new TrafficSeries({
    most: 1,
    rows: async () => [trafficRow('default/web', '10.96.0.10', 7)],
    onError: (error) => assert.fail(String(error)),
  });
  const metrics = metricsOf({ more: () => traffic.text() });
  everything(metrics);
  return new Map(
    [...(await metrics.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]),
  );
}

describe('the README', () => {
  it('names no metric that is not there', async () => {
    const types = await shown();
    const isShown = (name: string) =>
      types.has(name) || types.get(name.replace(/_(?:bucket|sum|count)$/, '')) === 'histogram';
    assert.ok(named().has('kube_ipvs_oldest_dirty_seconds'), 'it names some');
    assert.deepEqual(
      [...named()].filter((name) => !isShown(name)),
      [],
    );
  });

  it('explains every metric of our own', async () => {
    const names = named();
    const own = [...(await shown()).keys()].filter((name) => name.startsWith('kube_ipvs_'));
    assert.ok(own.length > 10);
    assert.deepEqual(
      own.filter((name) => !names.has(name)),
      [],
    );
  });
});
