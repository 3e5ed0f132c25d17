/** What `kube-ipvs explain` is asked: the words of the command line in, a question or what is wrong with them out. */

import type { Arguments, UsageProblem } from '../../config/arguments.ts';
import { quoted } from '../../config/spelling.ts';
import { type Address, familyOf, parseAddress, withoutBrackets } from '../../model/address.ts';
import { parseVirtualServiceKey, serviceFamily, type VirtualServiceKey } from '../../model/virtual-service.ts';

/** Where a client is, as far as it matters to a node. */
export const clientClasses = ['pod', 'host', 'external'] as const;
export type ClientClass = (typeof clientClasses)[number];

export interface Question {
  readonly key: VirtualServiceKey;
  /** Classes of clients, or the one that has the address. */
  readonly from: readonly ClientClass[] | Address;
}

export type Asked = { readonly question: Question } | { readonly problems: readonly UsageProblem[] };

/** A missing or unreadable address is the parser's to tell. */
export function questionOf({ operands, flags: { from } }: Pick<Arguments, 'operands' | 'flags'>): Asked {
  const key = parseVirtualServiceKey(operands[0] ?? '');
  const asked = from === undefined ? clientClasses : clientsIn(from);
  if (asked === undefined) {
    const message = `--from is ${quoted(from ?? '')}; write pod, host, external or a client's IP address`;
    return { problems: [{ flag: 'from', value: from ?? '', message }] };
  }
  if (key === undefined) return { problems: [] };
  if (typeof asked === 'string' && familyOf(asked) !== serviceFamily(key)) {
    const message = `--from is ${asked}, and ${key.address} is of the other family; write a client's address of the same one`;
    return { problems: [{ flag: 'from', value: asked, message }] };
  }
  return { question: { key, from: asked } };
}

function clientsIn(text: string): Question['from'] | undefined {
  const known = clientClasses.find((name) => name === text.toLowerCase());
  return known === undefined ? parseAddress(withoutBrackets(text)) : [known];
}
