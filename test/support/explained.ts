/** A node that did all that its cluster asks, what then happened to its kernel, and what `kube-ipvs explain` says of one address. */

import { explainIn } from '../../src/cli/explain/explain.ts';
import type { Explanation } from '../../src/cli/explain/explanation.ts';
import { explanationText } from '../../src/cli/explain/explanation-text.ts';
import { questionOf } from '../../src/cli/explain/question.ts';
import { parseArguments } from '../../src/config/arguments.ts';
import type { ClusterEvent } from '../../src/model/cluster.ts';
import type { Wishes } from '../../src/reconcile/wanted.ts';
import { storeOf } from './cluster.ts';
import type { FakeKernel, FakeOptions } from './fake-kernel.ts';
import { plainWishes } from './node-loop.ts';
import { started } from './served-node.ts';

export interface Told {
  readonly wishes?: Partial<Wishes>;
  readonly options?: FakeOptions;
  /** What somebody else did to the kernel afterwards. */
  readonly after?: (kernel: FakeKernel) => void;
  /** What the cluster says when it is asked; by default what it said before. */
  readonly now?: readonly ClusterEvent[];
}

/** `words` as behind `kube-ipvs explain`. */
export async function explained(
  words: string,
  events: readonly ClusterEvent[],
  { wishes = {}, options = {}, after = () => {}, now = events }: Told = {},
): Promise<Explanation> {
  const { kernel, node } = started(storeOf(...events), options, wishes);
  await node.converge();
  after(kernel);
  const asked = questionOf(parseArguments(['explain', ...words.split(' ')]));
  if ('problems' in asked) throw new Error(JSON.stringify(asked.problems));
  return explainIn(asked.question, storeOf(...now), { ...plainWishes, ...wishes }, kernel);
}

/** As one line for each client: `pod any: reaches 10.244.0.1:8080*`, `*` where it is masqueraded; `| …` where the kernel does otherwise. */
export function fates({ clients }: Explanation): string[] {
  const text = (outcome: Explanation['clients'][number]['outcome']) =>
    outcome.kind === 'reaches'
      ? [
          'reaches',
          ...outcome.destinations.map(({ id, masqueraded }) => `${id}${masqueraded ? '*' : ''}`),
          ...(outcome.isRedirected ? [`by ${outcome.service}`] : []),
        ].join(' ')
      : outcome.kind;
  return clients.map(
    ({ from, source, outcome, kernel }) =>
      `${from} ${source}: ${text(outcome)}${kernel === undefined ? '' : ` | ${text(kernel)}`}`,
  );
}

export async function explainedText(...asked: Parameters<typeof explained>): Promise<string> {
  return explanationText(await explained(...asked));
}
