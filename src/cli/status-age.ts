const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

/** How long ago, or for how long, as kubectl writes it: `45s`, `3m12s`, `17m`, `5h3m`, `2d4h`, `30d` (HumanDuration, k8s.io/apimachinery 1.34). */
export function ageText(milliseconds: number): string {
  const span = Math.max(0, milliseconds);
  if (span < 2 * minute) return `${Math.floor(span / second)}s`;
  if (span < 10 * minute) return parts(span, [minute, 'm'], [second, 's']);
  if (span < 3 * hour) return `${Math.floor(span / minute)}m`;
  if (span < 8 * hour) return parts(span, [hour, 'h'], [minute, 'm']);
  if (span < 2 * day) return `${Math.floor(span / hour)}h`;
  if (span < 8 * day) return parts(span, [day, 'd'], [hour, 'h']);
  if (span < 2 * year) return `${Math.floor(span / day)}d`;
  if (span < 8 * year) return parts(span, [year, 'y'], [day, 'd']);
  return `${Math.floor(span / year)}y`;
}

type Unit = readonly [length: number, letter: string];

function parts(span: number, [large, first]: Unit, [small, second]: Unit): string {
  const rest = Math.floor((span % large) / small);
  return `${Math.floor(span / large)}${first}${rest === 0 ? '' : `${rest}${second}`}`;
}
