/** `kube-ipvs explain`: facts and kernel in, what becomes of connections to one address out. Reads, and changes nothing. */

import { json } from '../../model/status-json.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { WantedState, type Wishes } from '../../reconcile/wanted.ts';
import type { Store } from '../../store/store.ts';
import { withFacts } from '../groundwork.ts';
import { exitStatus, type Invocation } from '../invocation.ts';
import { wishesOf } from '../wishes.ts';
import { explanationText } from './explanation-text.ts';
import { type Explanation, explanationOf } from './explanation.ts';
import { differencesAt, observe } from './observation.ts';
import { type Question, questionOf } from './question.ts';

export async function explain(invocation: Invocation): Promise<number> {
  const asked = questionOf(invocation);
  if ('problems' in asked) return exitStatus.usage;
  return withFacts(invocation, 'nothing can be explained', async ({ store, kernel, facts }) => {
    const { config, flags, stdout } = invocation;
    const explanation = await explainIn(asked.question, store, wishesOf(config, 'reconcile'), kernel);
    const text =
      flags.output === 'json' ? `${json({ version: 1, ...explanation }, 2)}\n` : explanationText(explanation);
    stdout.write(text);
    return facts.hasProblems ? exitStatus.failed : exitStatus.converged;
  });
}

/** Of a store in which every source has told all it has. Costs O(cluster). */
export async function explainIn(
  question: Question,
  store: Store,
  wishes: Wishes,
  kernel: Kernel,
): Promise<Explanation> {
  const wanted = new WantedState(ofOneService(wishes), store);
  const schedulers = wanted.unknownSchedulers();
  wanted.learnSchedulers(schedulers, await kernel.schedulers(schedulers));
  await wanted.takeChanges(Number.POSITIVE_INFINITY);
  const observation = await observe(question.key, wanted, kernel);
  const differences = differencesAt(observation, wanted);
  return explanationOf({ question, store, wanted, observation, differences, pods: wishes.pods });
}

/** Limits and timeouts of the whole node are no matter of one address. */
function ofOneService(wishes: Wishes): Wishes {
  return { ...wishes, settings: wishes.settings.filter(({ required }) => required), timeouts: undefined };
}
