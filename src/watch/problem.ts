/** What is wrong with an object, and where in a manifest it is written. */

import { abridged, printable } from '../model/printable.ts';

/**
 * `syntax`: cannot be read as YAML or JSON, or cannot be read at all. `shape`: a field is of the wrong type or a needed one is
 * missing. `value`: a value that an API server would refuse.
 */
export type ProblemClass = 'syntax' | 'shape' | 'value';

/** Fields and indexes from the object's root: `['spec', 'clusterIPs', 0]`. */
export type Path = readonly (string | number)[];

/** A problem, or a warning, of one object; where that object comes from is not known here. */
export interface Finding {
  readonly class: Exclude<ProblemClass, 'syntax'>;
  readonly path: Path;
  /** A sentence: field, what was found, cure. */
  readonly message: string;
}

export interface Problem {
  readonly class: ProblemClass;
  /** As it was named on the command line, with the way into a folder; `stdin` for standard input. */
  readonly file: string;
  /** From 1; 0 when the whole file is meant. */
  readonly line: number;
  readonly column: number;
  /** `Service default/web`. */
  readonly object?: string;
  /** `spec.clusterIPs[0]`. */
  readonly field?: string;
  /** A sentence: field, what was found, cure. */
  readonly message: string;
}

/** `services.yaml:17:14: Service default/web: spec.clusterIPs[0] is "10.96.0.300": no IP address; write …`; one line, whatever the input. */
export function problemText(problem: Problem): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const parts = [place, ...(problem.object === undefined ? [] : [problem.object]), problem.message];
  return printable(parts.join(': '));
}

/** `spec.ports[0].name`; keys that are no plain words are quoted: `metadata.labels["kubernetes.io/service-name"]`. */
export function fieldText(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z][\w-]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${quoted(step)}]`;
  }
  return text;
}

/** In double quotes, cut to a readable length, without characters that a terminal obeys. */
export function quoted(text: string): string {
  return printable(JSON.stringify(abridged(text, longest)));
}

const longest = 80;
