/** Files of keys in sections, as systemd and NetworkManager have them. */

export interface Section {
  readonly name: string;
  /** In the order of the file; a key may come more than once. */
  readonly entries: readonly (readonly [key: string, value: string])[];
}

export function sectionsOf(text: string): readonly Section[] {
  const sections: { name: string; entries: [string, string][] }[] = [];
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const [, name] = /^\[(.*)\]$/.exec(line) ?? [];
    if (name !== undefined) {
      sections.push({ name, entries: [] });
      continue;
    }
    const at = line.indexOf('=');
    if (at > 0) sections.at(-1)?.entries.push([line.slice(0, at).trim(), line.slice(at + 1).trim()]);
  }
  return sections;
}

/** What a key says last; undefined where it is not there. */
export function lastOf(sections: readonly Section[], name: string, key: string): string | undefined {
  return sections
    .filter((section) => section.name === name)
    .flatMap(({ entries }) => entries)
    .findLast(([written]) => written === key)?.[1];
}

/** `*`, `?` and `[…]` as fnmatch(3) has them. */
export function matchesGlob(pattern: string, text: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
    .replaceAll('[!', '[^');
  try {
    return new RegExp(`^${expression}$`).test(text);
  } catch {
    return pattern === text;
  }
}
