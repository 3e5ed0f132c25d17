/** Virtual services with their destinations as lines, in the order of their addresses. */

import { counted } from '../model/counted.ts';
import type { DestinationState, DestinationStatus, StatusReport, VirtualServiceStatus } from '../model/status.ts';
import { ageText } from './status-age.ts';
import { aligned, type Column, widest } from './status-columns.ts';

/** Destinations of one virtual service that are printed one by one without -o wide. */
const mostDestinations = 10;
const arrow = '  -> ';
const states: readonly DestinationState[] = ['serving', 'draining', 'pending', 'extra'];

interface Shown {
  readonly service: VirtualServiceStatus;
  readonly destinations: readonly DestinationStatus[];
  /** What is said instead of the others; empty if there are no others. */
  readonly folded: readonly string[];
}

const serviceColumns: readonly Column<Shown>[] = [
  { title: 'VIRTUAL SERVICE', cell: ({ service }) => service.id },
  { title: 'SCHEDULER', cell: ({ service }) => service.scheduler ?? '-' },
  { title: 'OPTIONS', cell: ({ service }) => service.options },
  { title: 'SERVICE', cell: ({ service }) => service.owner ?? '' },
  { title: 'STATE', cell: ({ service }) => service.state },
];

function destinationColumns(wide: boolean): readonly Column<DestinationStatus>[] {
  const wanted: Column<DestinationStatus> = {
    title: 'WANTED',
    cell: ({ wantedWeight }) => wantedWeight ?? '',
    right: true,
  };
  return [
    { title: `${arrow}DESTINATION`, cell: ({ id }) => `${arrow}${id}` },
    { title: 'WEIGHT', cell: ({ weight }) => weight ?? '-', right: true },
    ...(wide ? [wanted] : []),
    { title: 'ACTIVE', cell: ({ connections }) => connections?.active ?? '-', right: true },
    { title: 'INACTIVE', cell: ({ connections }) => connections?.inactive ?? '-', right: true },
    { title: 'STATE', cell: stateText },
  ];
}

function stateText({ state, drainingFor }: DestinationStatus): string {
  return drainingFor === undefined ? state : `${state} ${ageText(drainingFor)}`;
}

export function virtualServiceLines({ virtualServices }: StatusReport, wide: boolean): string[] {
  if (virtualServices.length === 0) return ['no virtual services'];
  const shown = virtualServices.toSorted(byAddress).map((service) => shownOf(service, wide));
  const destinations = shown.flatMap((one) => one.destinations);
  const width = widest([...shown.map(({ service }) => service.id), ...destinations.map(({ id }) => arrow + id)]);
  const services = aligned(serviceColumns, shown, width);
  const below = aligned(destinationColumns(wide), destinations, width);
  let next = 0;
  return [
    services.title,
    ...(destinations.length > 0 ? [below.title] : []),
    ...shown.flatMap((one, i) => {
      const own = below.lines.slice(next, (next += one.destinations.length));
      return [services.lines[i]!, ...own, ...one.folded];
    }),
  ];
}

/** Many destinations are counted; of these only those are named that are not as they should be, unless they are many too. */
function shownOf(service: VirtualServiceStatus, wide: boolean): Shown {
  const destinations = service.destinations.toSorted(byId);
  if (wide || destinations.length <= mostDestinations) return { service, destinations, folded: [] };
  const others = destinations.filter(({ state }) => state !== 'serving').slice(0, mostDestinations);
  return { service, destinations: others, folded: [`${arrow}${summary(destinations)}`] };
}

/** `250 destinations: 248 serving, 2 draining; 1024 active and 33 inactive connections`. */
function summary(destinations: readonly DestinationStatus[]): string {
  const counts = states.flatMap((one) => {
    const { length } = destinations.filter(({ state }) => state === one);
    return length === 0 ? [] : [`${length} ${one}`];
  });
  const sum = (of: 'active' | 'inactive') =>
    destinations.reduce((total, { connections }) => total + (connections?.[of] ?? 0), 0);
  return `${counted(destinations.length, 'destination')}: ${counts.join(', ')}; ${sum('active')} active and ${sum('inactive')} inactive connections`;
}

/** 10.0.0.9 before 10.0.0.10. */
const numbersInside = new Intl.Collator('en', { numeric: true });

function byId(one: { readonly id: string }, other: { readonly id: string }): number {
  return numbersInside.compare(one.id, other.id);
}

/** IPv4 first. */
function byAddress(one: VirtualServiceStatus, other: VirtualServiceStatus): number {
  return Number(one.address.includes(':')) - Number(other.address.includes(':')) || byId(one, other);
}
