/** Arguments → command → exit status. The commands are imported when they are asked for, so that help is quick. */

import { type Arguments, parseArguments, type UsageProblem } from '../config/arguments.ts';
import { type CommandName, isCommand, type Shell } from '../config/commands.ts';
import type { Config, Loaded } from '../config/config.ts';
import { exitStatus, type Invocation, type Streams } from './invocation.ts';

/** Commands that need a config. */
const configuredCommands = ['run', 'status', 'reconcile', 'takeover', 'cleanup', 'explain', 'doctor'] as const;
type ConfiguredCommand = (typeof configuredCommands)[number];

/** Runs one command line and gives its exit status. Rejects only for what a command did not expect. */
export async function runCommandLine(words: readonly string[], streams: Streams, signal: AbortSignal): Promise<number> {
  const parsed = parseArguments(words);
  const { command, flags } = parsed;
  if (flags.help) return printHelp(parsed.isCommandWritten ? command : undefined, streams);
  if (flags.version && command !== 'version') return printVersion('text', streams);
  if (command === undefined || parsed.problems.length > 0) {
    return refuse([...parsed.problems, ...(await configProblems(parsed))], command, streams);
  }
  switch (command) {
    case 'help':
      return flags.markdown ? printMarkdown(streams) : printHelp(parsed.operands[0], streams);
    case 'version':
      return printVersion(flags.output, streams);
    case 'completion': {
      const { completionScript } = await import('./completion.ts');
      streams.stdout.write(completionScript(parsed.operands[0] as Shell));
      return exitStatus.converged;
    }
    case 'run':
    case 'status':
    case 'reconcile':
    case 'takeover':
    case 'cleanup':
    case 'explain':
    case 'doctor':
      return runKernelCommand(command, parsed, streams, signal);
    default:
      return command satisfies never;
  }
}

async function runKernelCommand(
  command: ConfiguredCommand,
  parsed: Arguments,
  streams: Streams,
  signal: AbortSignal,
): Promise<number> {
  const wrong = command === 'reconcile' ? missingFlags(parsed) : await questionProblems(parsed);
  const loaded = await load(parsed);
  if (wrong.length > 0 || 'problems' in loaded) {
    const more = 'problems' in loaded ? [...loaded.problems, ...(await unwatchable(parsed))] : [];
    return refuse([...wrong, ...more], command, streams);
  }
  const { config } = loaded;
  const { writeConfigTo = '', cleanup } = parsed.flags;
  const asked = cleanup ? 'cleanup' : command;
  const isDaemon = isOfDaemon(parsed);
  // first: what was said by then would be said twice
  if (isDaemon) await (await import('./privileges.ts')).shedPrivileges(config, signal);
  await warn(config, [...parsed.warnings, ...loaded.remarks], streams);
  if (writeConfigTo !== '') return writeConfig(config, writeConfigTo, streams);
  const problems = await unwatchable(parsed, config);
  if (problems.length > 0) return refuse(problems, command, streams);
  const { operands, flags, given } = parsed;
  return execute(asked, { ...streams, command: asked, operands, flags, given, config, signal });
}

async function load(parsed: Arguments): Promise<Loaded> {
  const [{ loadConfig }, host] = await Promise.all([import('../config/config.ts'), import('./host.ts')]);
  return loadConfig(parsed, isOfDaemon(parsed) ? host.daemonHost : host.thisHost);
}

async function execute(command: ConfiguredCommand, invocation: Invocation): Promise<number> {
  switch (command) {
    case 'run':
      return (await import('./run.ts')).run(invocation);
    case 'status':
      return (await import('./status.ts')).status(invocation);
    case 'reconcile':
      return (await import('./reconcile.ts')).reconcile(invocation);
    case 'takeover':
      return (await import('./takeover/takeover.ts')).takeover(invocation);
    case 'cleanup':
      return (await import('./cleanup.ts')).cleanup(invocation);
    case 'explain':
      return (await import('./explain/explain.ts')).explain(invocation);
    case 'doctor':
      return (await import('./doctor/doctor.ts')).doctor(invocation);
    default:
      return command satisfies never;
  }
}

async function warn(config: Config, lines: readonly string[], { stderr }: Streams): Promise<void> {
  if (lines.length === 0) return;
  const { createLog } = await import('./log.ts');
  const log = createLog(config, stderr);
  for (const line of lines) log.warn(line);
}

async function writeConfig(config: Config, path: string, { stderr }: Streams): Promise<number> {
  const [{ createLog }, writing] = await Promise.all([import('./log.ts'), import('./write-config.ts')]);
  return writing.writeConfig(config, path, createLog(config, stderr));
}

/** So that one run tells all that is wrong, also when the command line itself is. */
async function configProblems(parsed: Arguments): Promise<readonly UsageProblem[]> {
  if (!configuredCommands.some((command) => command === parsed.command)) return [];
  const loaded = await load(parsed);
  const problems = 'problems' in loaded ? loaded.problems : [];
  return [...(await questionProblems(parsed)), ...problems, ...(await unwatchable(parsed))];
}

/** Whether the command line starts what goes on. */
function isOfDaemon({ command, flags: { writeConfigTo = '', cleanup, initOnly } }: Arguments): boolean {
  return command === 'run' && !cleanup && !initOnly && writeConfigTo === '';
}

/** What a daemon cannot watch; without a configuration, of what the flags say. */
async function unwatchable(parsed: Arguments, config: Pick<Config, 'manifests'> = parsed.flags) {
  return isOfDaemon(parsed) ? (await import('../config/config.ts')).daemonProblems(config) : [];
}

/** Of the command explain. */
async function questionProblems(parsed: Arguments): Promise<readonly UsageProblem[]> {
  if (parsed.command !== 'explain') return [];
  const asked = (await import('./explain/question.ts')).questionOf(parsed);
  return 'problems' in asked ? asked.problems : [];
}

function missingFlags({ flags }: Arguments): UsageProblem[] {
  if (flags.once) return [];
  const message =
    'reconcile does one pass and stops, and wants to be told so; write --once, or kube-ipvs run to keep on';
  return [{ flag: 'once', message }];
}

function refuse(problems: readonly UsageProblem[], command: CommandName | undefined, { stderr }: Streams): number {
  for (const problem of problems) stderr.write(`kube-ipvs: ${problem.message}\n`);
  stderr.write(`Run 'kube-ipvs help${command === undefined ? '' : ` ${command}`}' for usage.\n`);
  return exitStatus.usage;
}

async function printHelp(name: string | undefined, { stdout }: Streams): Promise<number> {
  const { commandHelp, overview } = await import('./help.ts');
  stdout.write(name !== undefined && isCommand(name) && name !== 'help' ? commandHelp(name) : overview());
  return exitStatus.converged;
}

async function printMarkdown({ stdout }: Streams): Promise<number> {
  const { markdownTables } = await import('./help.ts');
  stdout.write(markdownTables());
  return exitStatus.converged;
}

async function printVersion(output: 'text' | 'json' | 'wide', { stdout }: Streams): Promise<number> {
  const { versionText } = await import('./version.ts');
  stdout.write(versionText(output));
  return exitStatus.converged;
}
