/** Files of the machine, as far as they are there: nothing is ever written. */

import { constants } from 'node:fs';
import { access, open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface HostFiles {
  /** undefined: there is no such file. Rejects for what cannot be read otherwise. */
  text(path: string): Promise<string | undefined>;
  /** Names in a folder, sorted; none where there is no such folder. */
  names(folder: string): Promise<readonly string[]>;
  exists(path: string): Promise<boolean>;
  /** The same for all paths of one file, links followed; undefined: there is no such file. */
  identity(path: string): Promise<string | undefined>;
  /** Why it may not be written, an errno's name; undefined: it may. */
  writeRefusal(path: string): Promise<string | undefined>;
}

/** `root` stands before every path: `/`, or a folder that looks like one. */
export function hostFiles(root = '/'): HostFiles {
  const at = (path: string) => join(root, path);
  return {
    text: (path) => unlessAbsent(() => readFile(at(path), 'utf8'), undefined),
    names: async (folder) =>
      (await unlessAbsent(() => readdir(at(folder)), [])).toSorted((one, other) => (one < other ? -1 : 1)),
    exists: (path) => unlessAbsent(() => access(at(path)).then(() => true), false),
    identity: (path) => unlessAbsent(() => stat(at(path)).then(({ dev, ino }) => `${dev}:${ino}`), undefined),
    writeRefusal: async (path) => {
      try {
        // access(2) forgets the capabilities of who is not root, and settings go by CAP_NET_ADMIN (net_ctl_permissions in sysctl_net.c, 6.1)
        await (await open(at(path), constants.O_WRONLY)).close();
        return undefined;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
      }
    },
  };
}

async function unlessAbsent<T, A>(read: () => Promise<T>, absent: A): Promise<T | A> {
  try {
    return await read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return absent;
    throw error;
  }
}
