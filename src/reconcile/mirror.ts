/** How the mirror takes in a dump of all there is of one kind. */

import { inPieces } from '../model/pieces.ts';

/** What the kinds do not have in common. */
export interface Kind<Item> {
  readonly idOf: (item: Item) => string;
  readonly isSame: (known: Item, observed: Item) => boolean;
  readonly set: (item: Item) => void;
  readonly remove: (item: Item) => void;
}

/** Makes what is held what was observed. Answers the items that are not as they were believed to be; of those that changed, as they are. */
export async function mirror<Item>(
  observed: readonly Item[],
  held: ReadonlyMap<string, Item>,
  { idOf, isSame, set, remove }: Kind<Item>,
): Promise<Item[]> {
  const differing: Item[] = [];
  const seen = new Set<string>();
  await inPieces(observed, (item) => {
    const id = idOf(item);
    const known = held.get(id);
    if (known === undefined || !isSame(known, item)) differing.push(item);
    seen.add(id);
    set(item);
  });
  await inPieces(held, ([id, item]) => {
    if (seen.has(id)) return;
    differing.push(item);
    remove(item);
  });
  return differing;
}
