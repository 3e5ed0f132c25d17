/**
 * The state of a kernel as text: the `ipvsadm -S -n` lines and `ip` commands that would make it from nothing, each virtual
 * service before its destinations, in an order of its own. Both the fake and the readings of a real kernel print this form.
 */

/** The lines in their one order, one per line. */
export function stateText(lines: Iterable<string>): string {
  return [...lines]
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '' && !line.startsWith('#'))
    .toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))
    .join('\n');
}

/** Device, virtual services with their destinations, addresses, routes. */
function rank(line: string): string {
  const [verb, option, key] = line.split(' ');
  switch (verb) {
    case '-A':
      return `1 ${option} ${key} 0 ${line}`;
    case '-a':
      return `1 ${option} ${key} 1 ${line}`;
    default:
      return `${option === 'link' ? 0 : 2} ${line}`;
  }
}

/** Without what is not told of a device: whether it is up. Once it had to be it stays so, and nothing depends on it. */
export function tablesText(state: string): string {
  return stateText(state.split('\n').filter((line) => !line.startsWith('ip link set ')));
}
