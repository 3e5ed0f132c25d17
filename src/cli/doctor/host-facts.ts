/** What the node's files say, for the checks. */

import { basename } from 'node:path';
import type { HostFiles } from '../host-files.ts';
import type { ConfigFile, NetworkdFacts, NetworkManagerFacts } from './network-owners.ts';
import { effectiveCapabilities, type PrivilegeFacts } from './privilege-checks.ts';

export async function privilegeFacts(files: HostFiles, netns: string | undefined): Promise<PrivilegeFacts> {
  const [status, userMap] = await Promise.all([files.text('/proc/self/status'), files.text('/proc/self/uid_map')]);
  const capabilities = effectiveCapabilities(status ?? '');
  if (capabilities === undefined || userMap === undefined) throw new Error('/proc/self does not tell capabilities');
  return { capabilities, userMap, entersNamespace: netns !== undefined };
}

/** systemd.network(5): the first folder that has a file of a name; one that is empty, or leads to /dev/null, is no unit. */
const networkdFolders = [
  '/etc/systemd/network',
  '/run/systemd/network',
  '/usr/local/lib/systemd/network',
  '/usr/lib/systemd/network',
  '/lib/systemd/network',
];

/** `index` is that of kube-ipvs0; undefined without one. */
export async function networkdFacts(files: HostFiles, index: number | undefined): Promise<NetworkdFacts> {
  const units = (await configFiles(files, networkdFolders, '.network')).filter(({ text }) => text !== '');
  return {
    units: await Promise.all(units.map((unit) => withDropIns(files, unit))),
    isRunning: await files.exists('/run/systemd/netif'),
    link: index === undefined ? undefined : await files.text(`/run/systemd/netif/links/${index}`),
  };
}

/** What is in folders of the unit's name, `10-all.network.d/*.conf`, stands behind it. */
async function withDropIns(files: HostFiles, { path, text }: ConfigFile): Promise<ConfigFile> {
  const folders = networkdFolders.map((folder) => `${folder}/${basename(path)}.d`);
  const more = await configFiles(files, folders, '.conf');
  return { path, text: [text, ...more.map((file) => file.text)].join('\n') };
}

/** Files in the order in which it reads them; one hides those of its name in the folders before (NetworkManager.conf(5)). */
export async function networkManagerFacts(files: HostFiles, index: number | undefined): Promise<NetworkManagerFacts> {
  const main = '/etc/NetworkManager/NetworkManager.conf';
  const inFolder = (folder: string) => configFiles(files, [`${folder}/NetworkManager/conf.d`], '.conf');
  const own = await inFolder('/etc');
  const ofThisBoot = unhidden(await inFolder('/run'), own);
  const ofPackages = unhidden(await inFolder('/usr/lib'), [...ofThisBoot, ...own]);
  const text = await files.text(main);
  const isRunning = await files.exists('/run/NetworkManager');
  return {
    // what a package brings without NetworkManager itself says nothing
    files:
      text === undefined && !isRunning && own.length === 0
        ? []
        : [...ofPackages, ...ofThisBoot, ...mainFile(main, text), ...own],
    isRunning,
    device: index === undefined ? undefined : await files.text(`/run/NetworkManager/devices/${index}`),
  };
}

function unhidden(found: readonly ConfigFile[], hiding: readonly ConfigFile[]): ConfigFile[] {
  const names = new Set(hiding.map(({ path }) => basename(path)));
  return found.filter(({ path }) => !names.has(basename(path)));
}

function mainFile(path: string, text: string | undefined): ConfigFile[] {
  return text === undefined ? [] : [{ path, text }];
}

/** Those of all folders by name; of one name that of the first folder. */
async function configFiles(files: HostFiles, folders: readonly string[], ending: string): Promise<ConfigFile[]> {
  const found = new Map<string, ConfigFile>();
  for (const folder of folders) {
    for (const name of await files.names(folder)) {
      if (!name.endsWith(ending) || found.has(name)) continue;
      const path = `${folder}/${name}`;
      found.set(name, { path, text: (await files.text(path)) ?? '' });
    }
  }
  return [...found.entries()].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, file]) => file);
}
