/** What one row of the flag table says. */

import type { CommandName } from './commands.ts';

export interface FlagSpec {
  /** Long name without dashes. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** One letter. */
  readonly short?: string;
  /** `number` is whole and not negative, `integer` may be negative, `decimal` has a fraction. */
  readonly kind: 'boolean' | 'string' | 'number' | 'integer' | 'decimal' | 'list' | 'choice' | 'duration';
  readonly choices?: readonly string[];
  /** What an absent flag means; a string, number or duration without default is undefined, a list is empty, a boolean false. */
  readonly default?: string | number;
  /** What help calls the value. */
  readonly value?: string;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  readonly commands: readonly CommandName[];
  /** A list that also takes the words behind it: `--manifests a.yaml b.yaml`. */
  readonly takesOperands?: true;
  /** Of a list that is written twice the last one counts, and not both: kube-proxy's is a text. */
  readonly lastCounts?: true;
  /** A word that is as good as true, of a boolean. */
  readonly trueToo?: string;
  /** An empty value of a choice is its default. */
  readonly emptyIsDefault?: true;
  /** The flag wins over the file of --config; others that the file can say are ignored beside one, as kube-proxy's are. */
  readonly overFile?: true;
  /** Accepted for the sake of kube-proxy's command lines; the summary says why it means nothing. `silently`: without a remark. */
  readonly ignored?: 'with a remark' | 'silently';
  /** Printed as a warning when the flag is used: says what to write instead. */
  readonly deprecated?: string;
  /** Left out of help, completion and docs. */
  readonly hidden?: true;
}

export type FlagRows = Readonly<Record<string, FlagSpec>>;

/** Commands that work on the kernel once. */
export const kernelCommands = ['reconcile', 'takeover', 'cleanup'] as const;
/** Commands that know of Services. */
export const serviceCommands = ['run', 'reconcile', 'takeover', 'explain', 'doctor'] as const;
