/**
 * The words of the command line → command, operands and typed flag values. pflag style, as kube-proxy's: `--x=false`,
 * `--x value`, `-v=4`, `-v4`, `-v 4`, repeated and comma lists, `--x_y` for `--x-y`, `--` ends the flags. Reports every problem at once.
 */

import { parseArgs } from 'node:util';
import { parseDuration } from '../model/duration.ts';
import { type CommandName, commandTable, isCommand } from './commands.ts';
import { fieldOfFlag } from './fields.ts';
import {
  type AnyFlagValue,
  type FlagKey,
  type FlagSpec,
  type FlagValues,
  dashed,
  defaultOf,
  flagNames,
  flagSpecs,
  flagUsage,
} from './flags.ts';
import { nearest, quoted } from './spelling.ts';

/** Something wrong with the command line or the file of --config. The message is a sentence that names flag or field, value and cure. */
export interface UsageProblem {
  /** Long name without dashes. */
  readonly flag?: string;
  /** Dotted, as in a KubeProxyConfiguration. */
  readonly field?: string;
  readonly value?: string;
  readonly message: string;
}

export interface Arguments {
  /** `run` when there are only flags, as kube-proxy is called; undefined when the first other word is no command. */
  readonly command: CommandName | undefined;
  /** Whether the command was written. */
  readonly isCommandWritten: boolean;
  /** The words behind the command that belong to no flag. */
  readonly operands: readonly string[];
  readonly flags: FlagValues;
  /** The flags that were written, to tell them from defaults. */
  readonly given: ReadonlySet<FlagKey>;
  readonly problems: readonly UsageProblem[];
  /** Uses of deprecated flags. */
  readonly warnings: readonly string[];
}

export function parseArguments(words: readonly string[]): Arguments {
  const parser = new Parser();
  const { tokens } = parseArgs({
    args: withDashes(words),
    options: parseArgsOptions,
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  let unknownAt = -1;
  for (const token of tokens) {
    if (token.kind === 'positional') {
      // what a script's empty variable leaves is nothing, as for kube-proxy
      if (token.value !== '') parser.word(token.value);
    } else if (token.kind === 'option') {
      const key = flagKeys.get(token.name);
      // A group of unknown letters (-abc) is several tokens of one word: one problem is enough.
      if (key !== undefined) parser.flag(key, token.value, token.inlineValue === true, token.rawName);
      else if (token.index !== unknownAt) {
        parser.unknown(token.rawName);
        unknownAt = token.index;
      }
    }
  }
  return parser.finish();
}

/**
 * `--proxy_mode` is `--proxy-mode`, as for all of Kubernetes' programs (WordSepNormalizeFunc of k8s.io/component-base/cli/flag); and
 * `-w=false` is `--watch=false`, which parseArgs would take for the letters of several flags.
 */
function withDashes(words: readonly string[]): string[] {
  const end = words.indexOf('--');
  return words.map((word, at) =>
    end >= 0 && at > end
      ? word
      : word
          .replace(/^-(\w)(?==)/, (written, letter: string) => shortBooleans.get(letter) ?? written)
          .replace(/^--[^=]+/, (name) => name.replaceAll('_', '-')),
  );
}

/** `w` → `--watch`. */
const shortBooleans: ReadonlyMap<string, string> = new Map(
  [...flagSpecs.values()].flatMap(({ kind, short, name }) =>
    kind === 'boolean' && short !== undefined ? [[short, dashed(name)] as const] : [],
  ),
);

/** Every name of every flag → its key. */
const flagKeys: ReadonlyMap<string, FlagKey> = new Map(
  [...flagSpecs].flatMap(([key, flag]) => flagNames(flag).map((name) => [name, key] as const)),
);

const parseArgsOptions = Object.fromEntries(
  [...flagSpecs.values()].flatMap((flag) => {
    const type = flag.kind === 'boolean' ? ('boolean' as const) : ('string' as const);
    const short = flag.short === undefined ? {} : { short: flag.short };
    return [
      [flag.name, { type, ...short }],
      ...(flag.aliases ?? []).map((alias) => [alias, { type }] as const),
    ] as const;
  }),
);

class Parser {
  readonly #values = new Map<FlagKey, AnyFlagValue>();
  readonly #operands: string[] = [];
  readonly #problems: UsageProblem[] = [];
  /** Those with a value that can be read and that the file of --config makes pointless. */
  readonly #overruled = new Set<UsageProblem>();
  readonly #warnings: string[] = [];
  #command: CommandName | undefined;
  #commandSeen = false;
  /** The list flag that takes words without a flag. */
  #taker: FlagKey | undefined;
  /** The boolean flag in front of the word, written without a value. */
  #switch: string | undefined;

  word(word: string): void {
    const name = this.#switch;
    this.#switch = undefined;
    if (name !== undefined && /^(?:true|false)$/i.test(word)) {
      const message = `${name} takes no word behind it as its value; write ${name}=${word}`;
      this.#problems.push({ flag: name.replace(/^-+/, ''), value: word, message });
      return;
    }
    if (!this.#commandSeen && (this.#taker === undefined || isCommand(word))) {
      this.#commandSeen = true;
      if (isCommand(word)) this.#command = word;
      else this.#problems.push({ value: word, message: unknownCommand(word) });
    } else if (this.#taker !== undefined && !this.#isOperand(word)) this.#append(this.#taker, [word]);
    else this.#operands.push(word);
  }

  unknown(written: string): void {
    this.#switch = undefined;
    const name = written.replace(/^-+/, '').replace(/=.*/s, '');
    const near = nearest(
      name,
      [...flagKeys.keys()].filter((known) => known.length > 1),
    );
    const cure = near === undefined ? "see 'kube-ipvs help'" : `did you mean --${near}?`;
    this.#problems.push({ flag: name, message: `${quoted(written)} is no flag of kube-ipvs; ${cure}` });
  }

  flag(key: FlagKey, written: string | undefined, inline: boolean, name: string): void {
    const flag = flagSpecs.get(key)!;
    this.#switch = flag.kind === 'boolean' && written === undefined ? name : undefined;
    if (flag.deprecated !== undefined) this.#warnings.push(`${name} is deprecated: ${flag.deprecated}`);
    // pflag reads -v=4 as 4; parseArgs hands "=4".
    const short = !name.startsWith('--');
    const value = short && inline && written?.startsWith('=') === true ? written.slice(1) : written;
    if (flag.kind === 'list' && value !== undefined) {
      if (flag.lastCounts === true) this.#values.delete(key);
      this.#append(key, listParts(value));
      if (flag.takesOperands === true) this.#taker = key;
      return;
    }
    const read = readValue(flag, value);
    if (read.ok) this.#values.set(key, read.value);
    else {
      this.#values.set(key, undefined);
      const problem = { flag: flag.name, ...(value === undefined ? {} : { value }), message: `${name} ${read.why}` };
      this.#problems.push(problem);
      if (read.isReadable === true && fieldOfFlag.has(key) && flag.overFile !== true) this.#overruled.add(problem);
    }
  }

  finish(): Arguments {
    const given = new Set(this.#values.keys());
    if (!this.#commandSeen) this.#command = 'run';
    if (this.#command !== undefined) {
      for (const key of given) this.#checkCommand(flagSpecs.get(key)!, this.#command);
      this.#checkOperands(this.#command);
    }
    const hasFile = (this.#values.get('config') ?? '') !== '';
    const flags = Object.fromEntries(
      [...flagSpecs].map(([key, flag]) => [key, this.#values.get(key) ?? defaultOf(flag)]),
    ) as unknown as FlagValues;
    return {
      command: this.#command,
      isCommandWritten: this.#commandSeen,
      operands: this.#operands,
      flags: Object.freeze(flags),
      given,
      problems: this.#problems.filter((problem) => !hasFile || !this.#overruled.has(problem)),
      warnings: this.#warnings,
    };
  }

  /** A word behind the paths of --manifests that the command waits for. */
  #isOperand(word: string): boolean {
    const operand = this.#command === undefined ? undefined : commandTable[this.#command].operand;
    return this.#operands.length === 0 && operand?.fits?.(word) === true;
  }

  #append(key: FlagKey, values: readonly string[]): void {
    this.#values.set(key, [...((this.#values.get(key) as readonly string[] | undefined) ?? []), ...values]);
  }

  #checkCommand(flag: FlagSpec, command: CommandName): void {
    if (flag.commands.includes(command)) return;
    const owners = flag.commands.join(' and ');
    this.#problems.push({
      flag: flag.name,
      message: `${dashed(flag.name)} belongs to ${owners}, not to ${command}; leave it out`,
    });
  }

  #checkOperands(command: CommandName): void {
    const operand = commandTable[command].operand;
    const [first, ...rest] = this.#operands;
    const extra = operand === undefined ? this.#operands : rest;
    for (const word of extra) {
      const cure =
        command === 'reconcile' || command === 'explain' ? 'write --manifests in front of paths' : 'leave it out';
      this.#problems.push({ value: word, message: `${command} takes no argument ${quoted(word)}; ${cure}` });
    }
    if (operand === undefined) return;
    const { name, required, choices, fits, example } = operand;
    const cure = fits === undefined ? `write one of ${choices.join(', ')}` : `write one such as ${example}`;
    if (first === undefined) {
      if (required) this.#problems.push({ message: `${command} needs ${article(name)} ${name}; ${cure}` });
    } else if (!(fits?.(first) ?? choices.includes(first))) {
      this.#problems.push({ value: first, message: `${quoted(first)} is no ${name}; ${cure}` });
    }
  }
}

function article(noun: string): 'a' | 'an' {
  return /^[aeiou]/i.test(noun) ? 'an' : 'a';
}

function unknownCommand(word: string): string {
  const near = nearest(word, Object.keys(commandTable));
  const cure = near === undefined ? `write one of ${Object.keys(commandTable).join(', ')}` : `did you mean ${near}?`;
  return `${quoted(word)} is no command of kube-ipvs; ${cure}`;
}

type Read =
  | { readonly ok: true; readonly value: AnyFlagValue }
  /** `isReadable`: it is of the flag's type, and only means nothing. */
  | { readonly ok: false; readonly why: string; readonly isReadable?: boolean };

/** As pflag reads a list, a line of encoding/csv: a part may stand in quotes, which YAML without a shell leaves there. */
function listParts(text: string): string[] {
  const parts = `,${text}`.matchAll(/,\s*(?:"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))/g);
  return [...parts]
    .map(([, inQuotes, plain = '']) => inQuotes?.replaceAll('""', '"') ?? plain.trim())
    .filter((part) => part !== '');
}

/** Go's strconv.ParseBool, which pflag uses. */
const booleans: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map((word) => [word, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map((word) => [word, false] as const),
]);

/** Of an int32, as kube-proxy's numbers are. */
const largest = 2 ** 31 - 1;

/** Go's strconv.ParseInt with base 0, which pflag uses: `0x1f`, `0b11`, `0o17`, `017`, `1_000`. Undefined of anything else. */
function goInteger(text: string): number | undefined {
  const digits = /^[+-]?(0|[1-9](?:_?\d)*|0x(?:_?[\da-f])+|0b(?:_?[01])+|0o?(?:_?[0-7])+)$/i.exec(text)?.[1];
  if (digits === undefined) return undefined;
  const value = Number(digits.replaceAll('_', '').replace(/^0(?=\d)/, '0o'));
  return text.startsWith('-') ? -value : value;
}

function readInteger(text: string, least: number, cure: string): Read {
  const value = goInteger(text);
  if (value === undefined || value < least) {
    return {
      ok: false,
      why: `is ${quoted(text)}; write ${cure}`,
      isReadable: value !== undefined && value >= -largest,
    };
  }
  if (Math.abs(value) <= largest) return { ok: true, value };
  const bound = value > 0 ? `at most ${largest}` : `at least -${largest}`;
  return { ok: false, why: `is ${quoted(text)}; write ${bound}` };
}

function readValue(flag: FlagSpec, value: string | undefined): Read {
  if (flag.kind === 'boolean') {
    const read = value === undefined || value === flag.trueToo ? true : booleans.get(value);
    return read === undefined
      ? { ok: false, why: `is ${quoted(value!)}; write true or false` }
      : { ok: true, value: read };
  }
  if (value === undefined) return { ok: false, why: `needs a value; write ${flagUsage(flag)}` };
  switch (flag.kind) {
    case 'choice':
      if (value === '' && flag.emptyIsDefault === true) return { ok: true, value: defaultOf(flag) };
      if (flag.choices?.includes(value) === true) return { ok: true, value };
      return { ok: false, why: `is ${quoted(value)}; write ${flag.choices?.join(' or ')}`, isReadable: true };
    case 'number':
      return readInteger(value, 0, 'a whole number from 0');
    case 'integer':
      return readInteger(value, -Infinity, 'a whole number');
    case 'decimal':
      if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) return { ok: true, value: Number(value) };
      return { ok: false, why: `is ${quoted(value)}; write a number such as 5 or 2.5` };
    case 'duration': {
      const milliseconds = parseDuration(value);
      if (milliseconds !== undefined && milliseconds >= 0) return { ok: true, value: milliseconds };
      const why = `is ${quoted(value)}; write a duration from 0s, such as 30s or 1h30m`;
      return { ok: false, why, isReadable: milliseconds !== undefined };
    }
    case 'string':
    case 'list':
      return { ok: true, value };
    default:
      return flag.kind satisfies never;
  }
}
