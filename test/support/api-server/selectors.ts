/** Label and field selectors (k8s.io/apimachinery pkg/labels/selector.go, pkg/fields/selector.go). */

import type { Resource } from './resources.ts';
import { badRequest } from './statuses.ts';
import type { Version } from './store.ts';

export type Selects = (version: Version) => boolean;

type Labels = Readonly<Record<string, string>>;

const word = '[-A-Za-z0-9_./]+';
const forms: readonly (readonly [RegExp, (labels: Labels, key: string, value: string) => boolean])[] = [
  [new RegExp(`^(${word})$`), (labels, key) => key in labels],
  [new RegExp(`^!\\s*(${word})$`), (labels, key) => !(key in labels)],
  [new RegExp(`^(${word})\\s*==?\\s*(${word}|)$`), (labels, key, value) => labels[key] === value],
  [new RegExp(`^(${word})\\s*!=\\s*(${word}|)$`), (labels, key, value) => labels[key] !== value],
  [/^(\S+)\s+in\s*\(([^)]*)\)$/, (labels, key, values) => key in labels && wordsOf(values).includes(labels[key]!)],
  [
    /^(\S+)\s+notin\s*\(([^)]*)\)$/,
    (labels, key, values) => !(key in labels && wordsOf(values).includes(labels[key]!)),
  ],
  [/^(\S+)\s*>\s*(\d+)$/, (labels, key, value) => key in labels && Number(labels[key]) > Number(value)],
  [/^(\S+)\s*<\s*(\d+)$/, (labels, key, value) => key in labels && Number(labels[key]) < Number(value)],
];

function wordsOf(values: string): string[] {
  return values.split(',').map((value) => value.trim());
}

/** Refuses what is no selector. */
export function labelSelector(text: string): Selects {
  const requirements = split(text).map((requirement) => {
    for (const [form, holds] of forms) {
      const [, key, value = ''] = form.exec(requirement) ?? [];
      if (key !== undefined) return (labels: Labels) => holds(labels, key, value);
    }
    throw badRequest(`unable to parse requirement: found '${requirement}', expected: identifier, or 'end of string'`);
  });
  return ({ labels }) => requirements.every((holds) => holds(labels));
}

/** Refuses fields by which this resource cannot be selected. */
export function fieldSelector(text: string, resource: Resource): Selects {
  const requirements = split(text).map((requirement) => {
    const [, path, operator, value] = /^([^=!]+)(==?|!=)(.*)$/.exec(requirement) ?? [];
    if (path === undefined) throw badRequest(`invalid selector: '${text}'; can't understand '${requirement}'`);
    const known = path === 'metadata.name' || (path === 'metadata.namespace' && resource.namespaced);
    if (!known && !resource.selectable.includes(path)) {
      const { group, version, name } = resource;
      throw badRequest(
        `Unable to find "${group}/${version}, Resource=${name}" that match label selector "", ` +
          `field selector "${text}": field label not supported: ${path}`,
      );
    }
    return (version: Version) => (fieldOf(version, path) === value) === (operator !== '!=');
  });
  return (version) => requirements.every((holds) => holds(version));
}

function fieldOf(version: Version, path: string): string {
  if (path === 'metadata.name') return version.name;
  if (path === 'metadata.namespace') return version.namespace;
  return version.fields[path] ?? '';
}

/** At commas outside of parentheses. */
function split(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((requirement) => requirement.trim())
    .filter((requirement) => requirement !== '');
}
