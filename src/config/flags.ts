/**
 * The one flag table: parsing, help, completion and the README's tables are made from it.
 * Names and forms follow kube-proxy where it has the flag.
 */

import type { CommandName } from './commands.ts';

export interface FlagSpec {
  /** Long name without dashes. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** One letter. */
  readonly short?: string;
  readonly kind: 'boolean' | 'string' | 'number' | 'list' | 'choice';
  readonly choices?: readonly string[];
  /** What an absent flag means; a string without default is undefined, a list is empty, a boolean false. */
  readonly default?: string | number;
  /** What help calls the value. */
  readonly value?: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  readonly commands: readonly CommandName[];
  /** A list that also takes the words behind it: `--manifests a.yaml b.yaml`. */
  readonly takesOperands?: true;
  /** Printed as a warning when the flag is used: says what to write instead. */
  readonly deprecated?: string;
  /** Left out of help, completion and docs. */
  readonly hidden?: true;
}

const kernelCommands = ['reconcile', 'cleanup'] as const;
const everyCommand = ['reconcile', 'cleanup', 'completion', 'version', 'help'] as const;

export const flagTable = {
  once: {
    name: 'once',
    kind: 'boolean',
    summary: 'do one pass and exit',
    commands: ['reconcile'],
  },
  manifests: {
    name: 'manifests',
    kind: 'list',
    value: 'PATH…',
    takesOperands: true,
    summary: 'files, folders (*.yaml, *.yml, *.json, recursively) or - for standard input',
    commands: ['reconcile'],
  },
  hostnameOverride: {
    name: 'hostname-override',
    kind: 'string',
    value: 'NODE',
    summary: "the node's name in the cluster, when it is not the host's name",
    commands: ['reconcile'],
  },
  scheduler: {
    name: 'ipvs-scheduler',
    aliases: ['scheduler'],
    kind: 'string',
    default: 'rr',
    value: 'NAME',
    summary: 'IPVS scheduler of every virtual service: rr, wrr, lc, wlc, sh, mh … whatever the kernel has',
    commands: ['reconcile'],
  },
  vipBinding: {
    name: 'vip-binding',
    kind: 'choice',
    choices: ['address', 'route'],
    default: 'address',
    summary: 'hold virtual addresses on kube-ipvs0, or make them local by routes',
    commands: ['reconcile'],
  },
  excludeCidrs: {
    name: 'ipvs-exclude-cidrs',
    kind: 'list',
    value: 'CIDR,…',
    summary: 'networks in which no address and no virtual service is ever deleted',
    commands: kernelCommands,
  },
  netns: {
    name: 'netns',
    kind: 'string',
    value: 'NAME',
    summary: 'work in this network namespace (as ip netns lists it)',
    commands: kernelCommands,
  },
  dryRun: {
    name: 'dry-run',
    kind: 'boolean',
    summary: 'print the plan, change nothing; exit status 2 when there are changes',
    commands: kernelCommands,
  },
  output: {
    name: 'output',
    short: 'o',
    kind: 'choice',
    choices: ['text', 'json'],
    default: 'text',
    summary: 'form of what is printed on standard output',
    commands: [...kernelCommands, 'version'],
  },
  verbosity: {
    name: 'v',
    short: 'v',
    kind: 'number',
    default: 0,
    value: 'LEVEL',
    summary: 'how much is logged on standard error; 4 and above is for debugging',
    commands: kernelCommands,
  },
  loggingFormat: {
    name: 'logging-format',
    kind: 'choice',
    choices: ['text', 'json'],
    default: 'text',
    summary: 'form of the log lines on standard error',
    commands: kernelCommands,
  },
  help: {
    name: 'help',
    short: 'h',
    kind: 'boolean',
    summary: 'print help',
    commands: everyCommand,
  },
  version: {
    name: 'version',
    kind: 'boolean',
    summary: 'print the version',
    commands: everyCommand,
  },
  markdown: {
    name: 'markdown',
    kind: 'boolean',
    summary: "print the README's tables",
    commands: ['help'],
    hidden: true,
  },
} as const satisfies Readonly<Record<string, FlagSpec>>;

export type FlagKey = keyof typeof flagTable;

type FlagValue<F extends FlagSpec> = F['kind'] extends 'boolean'
  ? boolean
  : F['kind'] extends 'number'
    ? number
    : F['kind'] extends 'list'
      ? readonly string[]
      : F['kind'] extends 'choice'
        ? NonNullable<F['choices']>[number]
        : F extends { readonly default: string }
          ? string
          : string | undefined;

/** Every flag of the table with the type that its row says; absent flags have their default. */
export type FlagValues = { readonly [K in FlagKey]: FlagValue<(typeof flagTable)[K]> };

/** The table's rows under the type that all of them have. */
export const flagSpecs: ReadonlyMap<FlagKey, FlagSpec> = new Map(Object.entries(flagTable) as [FlagKey, FlagSpec][]);

/** The visible flags of one command, in table order. */
export function flagsOf(command: CommandName): readonly FlagSpec[] {
  return [...flagSpecs.values()].filter((flag) => flag.hidden !== true && flag.commands.includes(command));
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
  const value = flag.kind === 'boolean' ? '' : ` ${flag.choices?.join('|') ?? flag.value ?? 'VALUE'}`;
  return `${dashed(flag.name)}${value}`;
}
