/** What the operator said by flags and by the file of --config, one over the other, and where each value is written. Pure. */

import { endpointText, familyOf, parseAddress } from '../model/address.ts';
import type { Arguments } from './arguments.ts';
import type { ConfigFile } from './config-file.ts';
import { fieldOfFlag } from './fields.ts';
import { type AnyFlagValue, defaultOf, type FlagKey, type FlagValues, flagSpecs, flagTable } from './flags.ts';

export interface Origin {
  /** Long name of the flag without dashes, or the dotted path of the field. */
  readonly place: { readonly flag: string } | { readonly field: string };
  /** `--ipvs-scheduler`, `ipvs.scheduler`: where the value would be written. */
  readonly name: string;
  /** The same with file, line and column: how a sentence about the value begins. */
  readonly label: string;
}

export interface Sources {
  readonly values: FlagValues;
  readonly origin: (key: FlagKey, item?: number) => Origin;
  /** Flags that were written and mean nothing. */
  readonly remarks: readonly string[];
}

/** The ports that kube-proxy listens at; source: pkg/cluster/ports/ports.go. */
export const healthzPort = 10_256;
export const metricsPort = 10_249;
export const largestPort = 65_535;

/** kube-proxy's precedence: beside a file only those flags count that have nothing to do with it or are said to win. */
export function sourcesOf({ flags, given }: Pick<Arguments, 'flags' | 'given'>, file: ConfigFile | undefined): Sources {
  const remarks = [...given].flatMap((key) => flagRemark(key, file !== undefined));
  if (file === undefined) {
    return { values: { ...flags, ...withOldPorts(flags, given) }, origin: flagOrigin, remarks };
  }
  // An empty --hostname-override is as good as none.
  const isByFlag = (key: FlagKey) => flagSpecs.get(key)!.overFile === true && given.has(key) && flags[key] !== '';
  const said: Partial<Record<FlagKey, AnyFlagValue>> = {};
  for (const [key, path] of fieldOfFlag) {
    if (!isByFlag(key)) said[key] = file.values.get(path) ?? defaultOf(flagSpecs.get(key)!);
  }
  const ports = { healthzPort: undefined, metricsPort: undefined };
  const values = { ...flags, ...said, ...listenDefaults(file), ...ports } as FlagValues;
  const origin = (key: FlagKey, item?: number): Origin => {
    const path = isByFlag(key) ? undefined : fieldOfFlag.get(key);
    return path === undefined ? flagOrigin(key) : { place: { field: path }, name: path, label: file.label(path, item) };
  };
  return { values, origin, remarks };
}

function flagOrigin(key: FlagKey): Origin {
  const { name } = flagTable[key];
  return { place: { flag: name }, name: `--${name}`, label: `--${name}` };
}

function flagRemark(key: FlagKey, isFileThere: boolean): string[] {
  const flag = flagSpecs.get(key)!;
  if (flag.ignored !== undefined) {
    return flag.ignored === 'silently' ? [] : [`--${flag.name} is ignored: ${flag.summary}`];
  }
  const field = fieldOfFlag.get(key);
  if (!isFileThere || field === undefined || flag.overFile === true) return [];
  return [`--${flag.name} is ignored: the file of --config decides (${field})`];
}

/** Flags of former times: a port for an address without one; 0 for nobody to listen. */
function withOldPorts(flags: FlagValues, given: ReadonlySet<FlagKey>): Partial<FlagValues> {
  return {
    healthzBindAddress: withOldPort(flags.healthzBindAddress, given.has('healthzBindAddress'), flags.healthzPort),
    metricsBindAddress: withOldPort(flags.metricsBindAddress, given.has('metricsBindAddress'), flags.metricsPort),
  };
}

function withOldPort(address: string, isGiven: boolean, port: number | undefined): string {
  // one that is none is told as what it is
  if (port === undefined || port > largestPort || address === '') return address;
  if (port === 0) return '';
  // The default's own port is not what was asked for.
  const bare = parseAddress(isGiven ? address : address.slice(0, address.lastIndexOf(':')));
  return bare === undefined ? address : endpointText(bare, port);
}

/** Where a file that names no addresses listens depends on its bindAddress. */
function listenDefaults(file: ConfigFile): Partial<FlagValues> {
  const bindAddress = parseAddress(String(file.values.get('bindAddress') ?? ''));
  if (bindAddress === undefined || familyOf(bindAddress) === 4) return {};
  return {
    ...(file.values.get('healthzBindAddress') === undefined ? { healthzBindAddress: `[::]:${healthzPort}` } : {}),
    ...(file.values.get('metricsBindAddress') === undefined ? { metricsBindAddress: `[::1]:${metricsPort}` } : {}),
  };
}
