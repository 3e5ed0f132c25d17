/** How a table of nf_tables goes that is not ours. */

import { constants } from 'node:os';
import type { Family } from '../model/address.ts';
import { loadAddon, type NftablesSocket } from './addon.ts';
import { errnoName } from './answers.ts';
import { explain } from './refusals.ts';
import { deletionOf } from './table-records.ts';

/**
 * Deletes the table with all in it. The name of the errno where the kernel refuses it; no table is as good as deleted. Rejects with a
 * KernelError.
 */
export async function deleteTable(family: Family, table: string, netns?: string): Promise<string | undefined> {
  let socket: NftablesSocket | undefined;
  try {
    socket = new (loadAddon().NftablesSocket)(netns === undefined ? { table } : { table, netns });
    const { errnos } = await socket.apply(deletionOf(family));
    const errno = errnos[0] ?? -1;
    if (errno === 0 || errno === constants.errno.ENOENT) return undefined;
    return errno < 0 ? 'no answer' : errnoName(errno);
  } catch (error) {
    throw explain(error, { netns, of: 'nf_tables' });
  } finally {
    socket?.close();
  }
}
