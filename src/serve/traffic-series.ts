/**
 * What went through each virtual service, as metrics: rows in, Prometheus' text out. Written by hand and in pieces, because ten thousand
 * Services are more text than should be made in one go beside a loop that has work.
 */

import { setImmediate } from 'node:timers/promises';
import type { ObjectName } from '../model/cluster.ts';
import { printable } from '../model/printable.ts';
import type { ServiceTraffic } from '../model/virtual-service.ts';

export interface TrafficRow {
  /** '' when nobody knows. */
  readonly owner: ObjectName;
  readonly traffic: ServiceTraffic;
}

export interface TrafficSeriesOptions {
  /** So many virtual services are told of, those with most bytes. */
  readonly most: number;
  readonly rows: () => Promise<readonly TrafficRow[]>;
  /** They could not be had: this answer goes without. */
  readonly onError: (error: unknown) => void;
}

const counters = [
  ['connections', 'Connections', (traffic) => traffic.connections],
  ['incoming_packets', 'Packets from clients', (traffic) => traffic.incomingPackets],
  ['outgoing_packets', 'Packets to clients', (traffic) => traffic.outgoingPackets],
  ['incoming_bytes', 'Bytes from clients', (traffic) => traffic.incomingBytes],
  ['outgoing_bytes', 'Bytes to clients', (traffic) => traffic.outgoingBytes],
] as const satisfies readonly (readonly [string, string, (traffic: ServiceTraffic) => number])[];

/** Rows of text between two turns of the event loop: about a millisecond's. */
const piece = 1_000;

export class TrafficSeries {
  readonly #options: TrafficSeriesOptions;

  constructor(options: TrafficSeriesOptions) {
    this.#options = options;
  }

  /** Costs O(rows) and never rejects. Counters begin anew with a virtual service that was deleted and added. */
  async text(): Promise<string> {
    const { most, rows, onError } = this.#options;
    try {
      const all = await rows();
      const shown = busiest(all, most);
      return dropped(all.length - shown.length) + (await written(shown));
    } catch (error) {
      onError(error);
      return '';
    }
  }
}

/** In the order given, so that the text changes little from one answer to the next. */
function busiest(rows: readonly TrafficRow[], most: number): readonly TrafficRow[] {
  if (rows.length <= most) return rows;
  const amounts = Float64Array.from(rows, bytes).toSorted();
  const least = amounts[amounts.length - most] ?? Number.POSITIVE_INFINITY;
  let ties = most - rows.filter((row) => bytes(row) > least).length;
  return rows.filter((row) => {
    const amount = bytes(row);
    return amount > least || (amount === least && ties-- > 0);
  });
}

function bytes({ traffic }: TrafficRow): number {
  return traffic.incomingBytes + traffic.outgoingBytes;
}

function dropped(count: number): string {
  const name = 'kube_ipvs_service_series_dropped';
  return `\n# HELP ${name} Virtual services that are not told of, because there are more than the limit.\n# TYPE ${name} gauge\n${name} ${count}\n`;
}

async function written(rows: readonly TrafficRow[]): Promise<string> {
  const labels = await textsOf(rows, labelsOf);
  const parts: string[] = [];
  for (const [what, help, count] of counters) {
    const name = `kube_ipvs_service_${what}_total`;
    parts.push(`\n# HELP ${name} ${help} of a virtual service.\n# TYPE ${name} counter\n`);
    const lines = await textsOf(rows, ({ traffic }, i) => `${name}${labels[i]} ${count(traffic)}\n`);
    parts.push(lines.join(''));
  }
  return parts.join('');
}

async function textsOf<T>(rows: readonly T[], text: (row: T, index: number) => string): Promise<string[]> {
  const found: string[] = [];
  for (let start = 0; start < rows.length; start += piece) {
    for (const [i, row] of rows.slice(start, start + piece).entries()) found.push(text(row, start + i));
    await setImmediate();
  }
  return found;
}

function labelsOf({ owner, traffic: { service } }: TrafficRow): string {
  const [namespace = '', name = ''] = owner.split('/');
  return `{namespace="${quoted(namespace)}",service="${quoted(name)}",address="${service.address}",port="${service.port}",protocol="${service.protocol}"}`;
}

/** Prometheus' text format knows three escapes; the rest of what could confuse a reader is made visible before. */
function quoted(text: string): string {
  return printable(text).replace(/\\/g, '\\\\').replace(/"/g, '\\"');
}
