/**
 * Tracked UDP connections that go nowhere any more: flows and the destinations that may still answer in, those to forget out. conntrack
 * would keep a client that goes on sending from one port at a backend that is gone. Pure.
 */

import { endpointText } from '../model/address.ts';
import { type Flow, flowService } from '../model/node-state.ts';

/**
 * What answers a flow is none that may answer: a backend that is gone, or nobody at all, because the flow is older than the virtual
 * service. A virtual service without anybody who may answer keeps its flows: there is nobody to send them to.
 */
export function staleFlows(
  flows: readonly Flow[],
  servingOf: (service: string) => ReadonlySet<string> | undefined,
): Flow[] {
  return flows.filter((flow) => {
    const serving = servingOf(flowService(flow).id);
    if (serving === undefined || serving.size === 0) return false;
    return !serving.has(endpointText(flow.reply.source, flow.reply.sourcePort));
  });
}
