/** How likely the kernel is to kill this process when memory is short. */

import { writeFileSync } from 'node:fs';

/** Why it cannot be set; undefined when it is. Two tries, as in kube-proxy. */
export function setOomScore(score: number): NodeJS.ErrnoException | undefined {
  let failure: NodeJS.ErrnoException | undefined;
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync('/proc/self/oom_score_adj', String(score));
      return undefined;
    } catch (error) {
      failure = error as NodeJS.ErrnoException;
    }
  }
  return failure;
}
