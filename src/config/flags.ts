/**
 * The one flag table: parsing, help, completion and the README's tables are made from it.
 * Names and forms follow kube-proxy where it has the flag.
 */

import { parseDuration } from '../model/duration.ts';
import type { CommandName } from './commands.ts';
import type { FlagRows, FlagSpec } from './flag-spec.ts';
import { generalFlags } from './flags-general.ts';
import { ignoredFlags } from './flags-ignored.ts';
import { addressFlags, conntrackFlags, loggingFlags } from './flags-node.ts';
import { ipvsFlags, serviceFlags } from './flags-services.ts';

export type { FlagSpec } from './flag-spec.ts';

/** Under which heading help shows which flags. */
const flagGroups: readonly { readonly heading: string; readonly rows: FlagRows }[] = [
  { heading: 'General', rows: generalFlags },
  { heading: 'Services', rows: serviceFlags },
  { heading: 'IPVS', rows: ipvsFlags },
  { heading: 'Addresses', rows: addressFlags },
  { heading: 'Connection tracking', rows: conntrackFlags },
  { heading: 'Log', rows: loggingFlags },
  { heading: "Accepted because kube-proxy's, and ignored", rows: ignoredFlags },
];

export const flagTable = {
  ...generalFlags,
  ...serviceFlags,
  ...ipvsFlags,
  ...addressFlags,
  ...conntrackFlags,
  ...loggingFlags,
  ...ignoredFlags,
} as const satisfies FlagRows;

export type FlagKey = keyof typeof flagTable;

/** Where a row gives no default, the flag may be undefined. */
type OrAbsent<F extends FlagSpec, T> = F extends { readonly default: string | number } ? T : T | undefined;

/** A duration is milliseconds. */
type FlagValue<F extends FlagSpec> = F['kind'] extends 'boolean'
  ? boolean
  : F['kind'] extends 'list'
    ? readonly string[]
    : F['kind'] extends 'choice'
      ? NonNullable<F['choices']>[number]
      : OrAbsent<F, F['kind'] extends 'string' ? string : number>;

/** Every flag of the table with the type that its row says; absent flags have their default. */
export type FlagValues = { readonly [K in FlagKey]: FlagValue<(typeof flagTable)[K]> };

/** What any flag may have. */
export type AnyFlagValue = boolean | number | string | readonly string[] | undefined;

/** The table's rows under the type that all of them have. */
export const flagSpecs: ReadonlyMap<FlagKey, FlagSpec> = new Map(Object.entries(flagTable) as [FlagKey, FlagSpec][]);

/** What a flag means that is not written. */
export function defaultOf(flag: FlagSpec): AnyFlagValue {
  if (flag.kind === 'duration') return flag.default === undefined ? undefined : parseDuration(String(flag.default));
  if (flag.default !== undefined) return flag.default;
  if (flag.kind === 'boolean') return false;
  return flag.kind === 'list' ? [] : undefined;
}

export interface FlagGroup {
  readonly heading: string;
  readonly flags: readonly FlagSpec[];
}

/** The visible flags of one command under their headings, in table order; no group is empty. */
export function flagGroupsOf(command: CommandName): readonly FlagGroup[] {
  return flagGroups
    .map(({ heading, rows }) => ({ heading, flags: Object.values(rows).filter((flag) => isOf(flag, command)) }))
    .filter(({ flags }) => flags.length > 0);
}

/** The visible flags of one command, in table order. */
export function flagsOf(command: CommandName): readonly FlagSpec[] {
  return flagGroupsOf(command).flatMap(({ flags }) => flags);
}

function isOf(flag: FlagSpec, command: CommandName): boolean {
  return flag.hidden !== true && flag.commands.includes(command);
}

/** Every name of a flag, without dashes. */
export function flagNames(flag: FlagSpec): readonly string[] {
  return [...new Set([flag.name, ...(flag.aliases ?? []), ...(flag.short === undefined ? [] : [flag.short])])];
}

/** `-v`, `--output`. */
export function dashed(name: string): string {
  return `${name.length === 1 ? '-' : '--'}${name}`;
}

/** `--output text|json`, `--dry-run`, `-v LEVEL`: how help writes a flag. */
export function flagUsage(flag: FlagSpec): string {
  const value = flag.kind === 'boolean' ? '' : ` ${flag.value ?? flag.choices?.join('|') ?? 'VALUE'}`;
  return `${dashed(flag.name)}${value}`;
}
