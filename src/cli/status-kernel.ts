/** What the kernel alone tells of virtual services, when no daemon is there to ask. Reads, and changes nothing. */

import { type Kernel, KernelError } from '../kernel/kernel.ts';
import type { Element } from '../model/filter.ts';
import type { DestinationStatus, StatusReport, VirtualServiceStatus } from '../model/status.ts';
import { serviceOptionsText } from '../model/text.ts';
import type { ObservedDestination } from '../model/destination.ts';
import { Actual, type ActualService } from '../reconcile/actual.ts';

/** Costs one dump for each virtual service. */
export async function kernelReport(kernel: Kernel, nodeName: string, at: number): Promise<StatusReport> {
  const actual = new Actual();
  await actual.observeServices(await kernel.services());
  await observeBindings(actual, kernel);
  await actual.filter.observe(new Map(), await elements(kernel));
  const services = [...actual.services.values()];
  const destinations = await kernel.destinations(services.map(({ service }) => service));
  return {
    nodeName,
    at,
    daemon: undefined,
    virtualServices: services.map((service, i) => virtualServiceStatus(actual, service, destinations[i]!)),
    differences: [],
  };
}

/** A kube-ipvs0 that is not ours holds nothing of ours. */
async function observeBindings(actual: Actual, kernel: Kernel): Promise<void> {
  try {
    await actual.observeBindings(await kernel.device(), await kernel.bindings());
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'FOREIGN_DEVICE') throw error;
  }
}

/** A kernel without nf_tables has none. */
async function elements(kernel: Kernel): Promise<readonly Element[]> {
  try {
    return [...(await kernel.elements(4)), ...(await kernel.elements(6))];
  } catch (error) {
    if (error instanceof KernelError && error.code === 'NO_NFTABLES') return [];
    throw error;
  }
}

function virtualServiceStatus(
  actual: Actual,
  found: ActualService,
  destinations: readonly ObservedDestination[],
): VirtualServiceStatus {
  const { service } = found;
  return {
    id: service.id,
    protocol: service.protocol,
    address: service.address,
    port: service.port,
    scheduler: service.scheduler,
    options: serviceOptionsText(service),
    owner: undefined,
    state: actual.isOurs(found) ? 'ours' : 'foreign',
    destinations: destinations.map(destinationStatus),
  };
}

function destinationStatus({ destination: { id, weight }, connections }: ObservedDestination): DestinationStatus {
  return {
    id,
    weight,
    wantedWeight: undefined,
    state: weight === 0 ? 'draining' : 'serving',
    connections,
    drainingFor: undefined,
  };
}
