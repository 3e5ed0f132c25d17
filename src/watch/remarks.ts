/** Problems and warnings on the way from "this value of that passage" to file, line and column. */

import type { Spot } from './manifest-objects.ts';
import type { Pace } from './pace.ts';
import type { Path, Problem, ProblemClass } from './problem.ts';
import { fileOffset, type Passage } from './source-text.ts';
import { locateYaml } from './yaml-text.ts';

/** A problem or warning whose line is not known yet. */
export interface Remark {
  readonly severity: 'problem' | 'warning';
  readonly class: ProblemClass;
  readonly passage: Passage;
  /** Of the value in the passage, or the offset in it. */
  readonly at: Path | number;
  readonly object?: string;
  readonly field?: string;
  readonly message: string;
  /** Another place that the message ends with. */
  readonly other?: Spot;
}

/** Finds the lines of all remarks, passage by passage: each passage is read again, once. */
export async function locate(
  remarks: readonly Remark[],
  steps: Pace,
): Promise<{ readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] }> {
  const wanted = new Map<Passage, { readonly path: Path; offset: number }[]>();
  const want = (passage: Passage, path: Path) => {
    const place = { path, offset: 0 };
    const places = wanted.get(passage);
    if (places === undefined) wanted.set(passage, [place]);
    else places.push(place);
    return place;
  };
  const pending = remarks.map((remark) => ({
    remark,
    place: typeof remark.at === 'number' ? { offset: remark.at } : want(remark.passage, remark.at),
    other: remark.other === undefined ? undefined : want(remark.other.passage, remark.other.path),
  }));
  for (const [passage, places] of wanted) {
    const offsets = locateYaml(
      passage.text,
      places.map(({ path }) => path),
    );
    for (const [i, place] of places.entries()) place.offset = offsets[i]!;
    await steps.step(0);
  }
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  for (const { remark, place, other } of pending) {
    const { severity, passage, at: _at, other: otherSpot, ...problem } = remark;
    const { line, column } = passage.source.position(fileOffset(passage, place.offset));
    let { message } = problem;
    if (otherSpot !== undefined && other !== undefined) {
      const { source } = otherSpot.passage;
      const earlier = source.position(fileOffset(otherSpot.passage, other.offset));
      message = `${message} ${source.file}:${earlier.line}:${earlier.column}`;
    }
    (severity === 'problem' ? problems : warnings).push({
      ...problem,
      message,
      file: passage.source.file,
      line,
      column,
    });
  }
  return { problems, warnings };
}
