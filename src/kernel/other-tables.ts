/** nf_tables tables that are not ours: which there are by name, their chains, and how one goes. Rules of others are not read. */

import { constants } from 'node:os';
import type { Family } from '../model/address.ts';
import { loadAddon, type NftablesSocket } from './addon.ts';
import { errnoName } from './answers.ts';
import { explain } from './refusals.ts';
import { decodeTable, deletionOf } from './table-records.ts';

export interface OtherTables {
  /** The names of the table's chains, cut at 31 characters; undefined when there is no such table, or no nf_tables. */
  chains(family: Family, table: string): Promise<readonly string[] | undefined>;
  /** Deletes the table with all in it. The name of the errno where the kernel refuses it; no table is as good as deleted. */
  delete(family: Family, table: string): Promise<string | undefined>;
}

/** One socket for each request: these are few. */
export function openOtherTables(options: { readonly netns?: string | undefined } = {}): OtherTables {
  const addon = loadAddon();
  async function request<T>(table: string, ask: (socket: NftablesSocket) => Promise<T>): Promise<T> {
    let socket: NftablesSocket | undefined;
    try {
      const { netns } = options;
      socket = new addon.NftablesSocket(netns === undefined ? { table } : { table, netns });
      return await ask(socket);
    } catch (error) {
      throw explain(error, { netns: options.netns, of: 'nf_tables' });
    } finally {
      socket?.close();
    }
  }
  return {
    async chains(family, table) {
      try {
        const held = decodeTable(family, await request(table, (socket) => socket.objects(family)));
        return held && [...held.chains.keys()];
      } catch (error) {
        if ((error as { code?: string }).code === 'NO_NFTABLES') return undefined;
        throw error;
      }
    },
    async delete(family, table) {
      const { errnos } = await request(table, (socket) => socket.apply(deletionOf(family)));
      const errno = errnos[0] ?? -1;
      if (errno === 0 || errno === constants.errno.ENOENT) return undefined;
      return errno < 0 ? 'no answer' : errnoName(errno);
    },
  };
}
