/** The log: pino lines (`--logging-format json`) or one readable line each, always on standard error, always synchronous. */

import { type DestinationStream, destination, type Logger, pino, stdSerializers } from 'pino';
import type { Config } from '../config/config.ts';
import { printable } from '../model/printable.ts';
import type { TextSink } from './invocation.ts';

export type { Logger } from 'pino';

/** Loggers of `config.verbosity` 0: info and above; from 4: debug; from 6: trace. Fields go first: `log.warn({ key }, 'text')`. */
export function createLog(config: Pick<Config, 'verbosity' | 'loggingFormat'>, stderr: TextSink): Logger {
  const level = levelOf(config.verbosity);
  // Only the real standard error is written by descriptor: a test's stream has none.
  const sink: DestinationStream =
    stderr === process.stderr ? standardError() : { write: (line) => void stderr.write(line) };
  if (config.loggingFormat === 'json') {
    // printed as it is by who reads it: what JSON lets pass is escaped like the rest
    const json = { write: (line: string) => sink.write(`${printable(line.trimEnd())}\n`) };
    return pino({ level, base: null, formatters: { level: (label) => ({ level: label }) } }, json);
  }
  const text = { write: (line: string) => sink.write(textLine(JSON.parse(line) as Record<string, unknown>)) };
  return pino({ level, base: null, timestamp: false, serializers: { err: errorText } }, text);
}

/**
 * A line that cannot be written, as to a file on a full disk, is lost, and the next is tried anew: who has work to do goes on without
 * its log. The stream itself would keep what it could not write, for ever.
 */
function standardError(): DestinationStream {
  const open = () => destination({ dest: 2, sync: true }).on('error', () => (stream = open()));
  let stream = open();
  return { write: (line) => stream.write(line) };
}

/** From 4 on what a developer needs, from 6 on all. */
export function levelOf(verbosity: number): 'info' | 'debug' | 'trace' {
  return verbosity >= 6 ? 'trace' : verbosity >= 4 ? 'debug' : 'info';
}

/** Beyond this many lines of one kind the rest is counted only; `-o json` has all. */
const mostLines = 20;

/** Logs a list without flooding whoever reads it; `whole` is where all of it is. */
export function logSome(log: Logger, level: 'error' | 'warn', lines: readonly string[], whole = '-o json'): void {
  for (const line of lines.slice(0, mostLines)) log[level](line);
  if (lines.length > mostLines) log[level](`… and ${lines.length - mostLines} more; ${whole} prints all`);
}

/** `warn Service default/web has no port service="default/web" after=12`. */
export function textLine(record: Readonly<Record<string, unknown>>): string {
  const { level, msg, ...fields } = record;
  const words = [
    pino.levels.labels[Number(level)] ?? String(level),
    ...(typeof msg === 'string' ? [printable(msg)] : []),
  ];
  for (const [key, value] of Object.entries(fields)) words.push(`${key}=${fieldText(value)}`);
  return `${words.join(' ')}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value === 'string' && /^[\w./:@[\]+-]+$/.test(value)) return value;
  return printable(JSON.stringify(value) ?? 'null');
}

function errorText(error: Error): unknown {
  return error instanceof Error ? error.message : stdSerializers.err(error);
}
