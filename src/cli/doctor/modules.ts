/**
 * Whether the kernel has a module, without asking the kernel for it: that would load it. What is loaded stands in /proc/modules, what is
 * built in in modules.builtin or, where it has parameters, below /sys/module; what could be loaded in modules.dep of the running kernel,
 * unless modprobe.d or the kernel's own switches forbid it, or modules.alias lacks the name by which the kernel asks.
 */

import type { HostFiles } from '../host-files.ts';

export interface ModuleFacts {
  /** Names with underscores, as the kernel writes them. */
  readonly loaded: ReadonlySet<string>;
  readonly builtIn: ReadonlySet<string>;
  /** Modules with a file; undefined where nothing tells: in a container without /lib/modules. */
  readonly loadable: ReadonlySet<string> | undefined;
  /** Of these it is known that they are not there where nothing shows them. */
  readonly certain: ReadonlySet<string>;
  /** Name → the file of modprobe.d that says never to load it. */
  readonly switchedOff: ReadonlyMap<string, string>;
  /** The kernel was built without modules, and so loads none whatever it is asked for. */
  readonly isWhole: boolean;
  /** Modules that the kernel asks for by a name that none has: before 5.11 IPVS is such. */
  readonly nameless: ReadonlySet<string>;
  /** Why the kernel loads no module when one is needed; undefined: it does. */
  readonly loading: 'modules_disabled' | 'modprobe' | undefined;
  /** The folder of modules.dep. */
  readonly folder: string;
}

export type ModuleState =
  | { readonly kind: 'loaded' | 'built in' | 'loadable' | 'missing' | 'unknown' }
  | { readonly kind: 'switched off'; readonly by: string }
  | { readonly kind: 'not loaded'; readonly why: 'modules_disabled' | 'modprobe' | 'alias' };

export function moduleState(facts: ModuleFacts, name: string): ModuleState {
  if (facts.loaded.has(name)) return { kind: 'loaded' };
  if (facts.builtIn.has(name)) return { kind: 'built in' };
  if (facts.certain.has(name)) return { kind: 'missing' };
  const by = facts.switchedOff.get(name);
  if (facts.loadable !== undefined && !facts.loadable.has(name)) return { kind: 'missing' };
  if (by !== undefined) return { kind: 'switched off', by };
  if (facts.loading !== undefined) return { kind: 'not loaded', why: facts.loading };
  if (facts.nameless.has(name)) return { kind: 'not loaded', why: 'alias' };
  return { kind: facts.loadable === undefined ? 'unknown' : 'loadable' };
}

/** Whether it is there, or may be, and asking the kernel for it loads nothing. */
export function isPresent(facts: ModuleFacts, name: string): boolean {
  const { kind } = moduleState(facts, name);
  return kind === 'loaded' || kind === 'built in' || (kind === 'unknown' && facts.isWhole);
}

/** What has parameters, and so shows below /sys/module when it is built in: a kernel without /proc/modules has nothing else to offer. */
const withParameters: ReadonlySet<string> = new Set(['ip_vs', 'ip_set', 'nf_conntrack', 'dummy']);

/** Where the files cannot be read: nothing counts as present. */
export function unknownModules(release: string): ModuleFacts {
  const none = new Set<string>();
  return {
    loaded: none,
    builtIn: none,
    loadable: undefined,
    certain: none,
    isWhole: false,
    switchedOff: new Map(),
    nameless: none,
    loading: undefined,
    folder: folderOf(release),
  };
}

function folderOf(release: string): string {
  return `/lib/modules/${release}`;
}

/** Looks for the files of the named modules only. */
export async function readModules(files: HostFiles, release: string, names: readonly string[]): Promise<ModuleFacts> {
  const folder = folderOf(release);
  const [loaded, builtIn, dependencies, aliases, parameters, disabled, modprobe, switchedOff] = await Promise.all([
    files.text('/proc/modules'),
    files.text(`${folder}/modules.builtin`),
    files.text(`${folder}/modules.dep`),
    files.text(`${folder}/modules.alias`),
    files.names('/sys/module'),
    files.text('/proc/sys/kernel/modules_disabled'),
    files.text('/proc/sys/kernel/modprobe'),
    readSwitchedOff(files),
  ]);
  const loadedNames = new Set(loaded?.split('\n').map((line) => line.split(' ', 1)[0]!));
  // what is there of other kernels says nothing of one that loads no modules
  const isWhole = loaded === undefined && dependencies === undefined;
  const isTold = !isWhole && (dependencies !== undefined || (await hasModules(files, folder, modprobe)));
  return {
    loaded: loadedNames,
    builtIn: new Set([...moduleFiles(builtIn ?? '').keys(), ...parameters.filter((name) => !loadedNames.has(name))]),
    loadable: isTold ? await withFiles(files, folder, moduleFiles(dependencies ?? ''), names) : undefined,
    switchedOff,
    certain: isWhole ? withParameters : new Set(),
    isWhole,
    nameless: new Set(aliases === undefined || aliases.includes(`alias ${ipvsAlias} `) ? [] : ['ip_vs']),
    loading: loadingOf(disabled, modprobe),
    folder,
  };
}

/** By which the kernel asks for IPVS when it is asked for it over generic netlink (ctrl_getfamily in genetlink.c). */
const ipvsAlias = 'net-pf-16-proto-16-family-IPVS';

function loadingOf(disabled: string | undefined, modprobe: string | undefined): ModuleFacts['loading'] {
  if (disabled?.trim() === '1') return 'modules_disabled';
  // the kernel runs this program for each module; without a program, or with one that does nothing, none is loaded
  if (modprobe !== undefined && /^$|\/(false|true)$/.test(modprobe.trim())) return 'modprobe';
  return undefined;
}

/**
 * Whether modules would be here if there were any: those of the running kernel are gone when its package was removed before the node was
 * restarted. A container sees none of the host's, and has as a rule no modprobe either.
 */
async function hasModules(files: HostFiles, folder: string, modprobe: string | undefined): Promise<boolean> {
  if ((await files.exists(folder)) || (await files.names('/lib/modules')).length > 0) return true;
  return modprobe?.startsWith('/') === true && (await files.exists(modprobe.trim()));
}

/** A list that depmod has not made anew names files that are gone. */
async function withFiles(
  files: HostFiles,
  folder: string,
  found: ReadonlyMap<string, string>,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  const there = new Set<string>();
  for (const name of names) {
    const file = found.get(name);
    if (file === undefined) continue;
    if (await files.exists(file.startsWith('/') ? file : `${folder}/${file}`)) there.add(name);
  }
  return there;
}

/** Name → path, of modules.dep and modules.builtin: `kernel/net/netfilter/ipvs/ip_vs.ko.xz: …`. */
function moduleFiles(list: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of list.split('\n')) {
    const path = line.split(':', 1)[0]!;
    const [, name] = /([^/]+)\.ko(?:\.\w+)?$/.exec(path) ?? [];
    if (name !== undefined) found.set(name.replaceAll('-', '_'), path);
  }
  return found;
}

/** Where modprobe.d(5) looks, the first folder that has a file of a name first. */
const modprobeFolders = [
  '/etc/modprobe.d',
  '/run/modprobe.d',
  '/usr/local/lib/modprobe.d',
  '/usr/lib/modprobe.d',
  '/lib/modprobe.d',
];

async function readSwitchedOff(files: HostFiles): Promise<ReadonlyMap<string, string>> {
  const off = new Map<string, string>();
  const seen = new Set<string>();
  for (const folder of modprobeFolders) {
    for (const name of await files.names(folder)) {
      if (!name.endsWith('.conf') || seen.has(name)) continue;
      seen.add(name);
      // some are for root's eyes only; what they say is then not known
      const text = (await files.text(`${folder}/${name}`).catch(() => undefined)) ?? '';
      for (const module of switchedOffIn(text)) off.set(module, `${folder}/${name}`);
    }
  }
  return off;
}

/** Of the lines `install NAME /bin/false` (or true), and `blacklist NAME`. */
function switchedOffIn(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [, never] = /^\s*install\s+(\S+)\s+(?:\S*\/)?(?:false|true)\s*$/.exec(line) ?? [];
    if (never !== undefined) return [never.replaceAll('-', '_')];
    const name = /^\s*blacklist\s+(\S+)/.exec(line)?.[1]?.replaceAll('-', '_');
    return name === undefined || isAskedForByName(name) ? [] : [name];
  });
}

/** A blacklisted module has no aliases any more, by which the kernel asks for most; schedulers and dependencies it names (modprobe.d(5)). */
function isAskedForByName(module: string): boolean {
  return module.startsWith('ip_vs_') || module === 'nf_conntrack';
}
