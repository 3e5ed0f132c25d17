/** Why an endpoint takes the traffic of a front end, or does not. Who does is not decided here but by `chooseEndpoints`. */

import type { TrafficPolicy } from '../model/cluster.ts';
import {
  type Candidate,
  chooseEndpoints,
  endpointsFor,
  type Hints,
  hintsInForce,
  isHere,
  isReady,
  isSpare,
  type Locality,
} from './endpoints.ts';

export type EndpointReason =
  | {
      readonly taken: true;
      readonly because: 'ready' | 'hinted for this node' | 'hinted for this zone' | 'last resort';
    }
  | {
      readonly taken: false;
      readonly because:
        | 'not ready'
        /** It terminates and serves no more. */
        | 'gone'
        /** It terminates, and ready ones are there. */
        | 'terminating'
        /** The policy is Local. */
        | 'on another node'
        | 'hinted for other nodes'
        | 'hinted for other zones';
    };

/** One for each of `all`, in their order. */
export function endpointReasons(
  policy: TrafficPolicy,
  all: readonly Candidate[],
  locality: Locality,
): readonly EndpointReason[] {
  const taken = new Set(endpointsFor(policy, chooseEndpoints(all, locality)));
  const hints = policy === 'Local' ? undefined : hintsInForce(all.filter(isReady), locality);
  return all.map((candidate) =>
    taken.has(candidate)
      ? { taken: true, because: whyTaken(candidate, hints) }
      : { taken: false, because: whyNot(candidate, policy, hints, locality) },
  );
}

function whyTaken(candidate: Candidate, hints: Hints | undefined) {
  if (!isReady(candidate)) return 'last resort';
  if (hints === undefined) return 'ready';
  return hints === 'nodes' ? 'hinted for this node' : 'hinted for this zone';
}

function whyNot(
  candidate: Candidate,
  policy: TrafficPolicy,
  hints: Hints | undefined,
  locality: Locality,
): Extract<EndpointReason, { taken: false }>['because'] {
  if (!isReady(candidate) && !isSpare(candidate)) return candidate.endpoint.terminating ? 'gone' : 'not ready';
  if (policy === 'Local' && !isHere(candidate, locality)) return 'on another node';
  if (isSpare(candidate)) return 'terminating';
  return hints === 'nodes' ? 'hinted for other nodes' : 'hinted for other zones';
}
