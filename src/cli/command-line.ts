/** Arguments → command → exit status. The commands are imported when they are asked for, so that help is quick. */

import { hostname } from 'node:os';
import { type Arguments, parseArguments, type UsageProblem } from '../config/arguments.ts';
import { type CommandName, isCommand, type Shell } from '../config/commands.ts';
import { loadConfig } from '../config/config.ts';
import { exitStatus, type Invocation, type Streams } from './invocation.ts';

/** Runs one command line and gives its exit status. Rejects only for what a command did not expect. */
export async function runCommandLine(words: readonly string[], streams: Streams, signal: AbortSignal): Promise<number> {
  const parsed = parseArguments(words);
  const { command, flags } = parsed;
  if (flags.help) return printHelp(command, streams);
  if (flags.version && command !== 'version') return printVersion('text', streams);
  if (parsed.problems.length > 0) return refuse([...parsed.problems, ...configProblems(parsed)], command, streams);
  for (const warning of parsed.warnings) streams.stderr.write(`kube-ipvs: ${warning}\n`);
  switch (command) {
    case undefined: {
      const { overview } = await import('./help.ts');
      streams.stderr.write(overview());
      return exitStatus.usage;
    }
    case 'help':
      return flags.markdown ? printMarkdown(streams) : printHelp(parsed.operands[0], streams);
    case 'version':
      return printVersion(flags.output, streams);
    case 'completion': {
      const { completionScript } = await import('./completion.ts');
      streams.stdout.write(completionScript(parsed.operands[0] as Shell));
      return exitStatus.converged;
    }
    case 'reconcile':
    case 'cleanup':
      return runKernelCommand(command, parsed, streams, signal);
    default:
      return command satisfies never;
  }
}

async function runKernelCommand(
  command: 'reconcile' | 'cleanup',
  parsed: Arguments,
  streams: Streams,
  signal: AbortSignal,
): Promise<number> {
  const missing = command === 'reconcile' ? missingFlags(parsed) : [];
  const loaded = loadConfig(parsed.flags, { hostname });
  if (missing.length > 0 || 'problems' in loaded) {
    return refuse([...missing, ...('problems' in loaded ? loaded.problems : [])], command, streams);
  }
  const invocation: Invocation = {
    ...streams,
    command,
    operands: parsed.operands,
    flags: parsed.flags,
    given: parsed.given,
    config: loaded.config,
    signal,
  };
  if (command === 'reconcile') {
    const { reconcile } = await import('./reconcile.ts');
    return reconcile(invocation);
  }
  const { cleanup } = await import('./cleanup.ts');
  return cleanup(invocation);
}

/** So that one run tells all that is wrong, also when the command line itself is. */
function configProblems({ command, flags }: Arguments): readonly UsageProblem[] {
  if (command !== 'reconcile' && command !== 'cleanup') return [];
  const loaded = loadConfig(flags, { hostname });
  return 'problems' in loaded ? loaded.problems : [];
}

function missingFlags({ flags }: Arguments): UsageProblem[] {
  const problems: UsageProblem[] = [];
  if (!flags.once) {
    const message =
      'reconcile does one pass and stops, and wants to be told so; write --once (watching a cluster is not there yet)';
    problems.push({ flag: 'once', message });
  }
  if (flags.manifests.length === 0) {
    const message =
      'reconcile needs --manifests PATH…; write files, folders, or - for standard input, for example ' +
      '"kubectl get services,endpointslices,nodes -A -o yaml | kube-ipvs reconcile --once --manifests -"';
    problems.push({ flag: 'manifests', message });
  }
  return problems;
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

async function printVersion(output: 'text' | 'json', { stdout }: Streams): Promise<number> {
  const { versionText } = await import('./version.ts');
  stdout.write(versionText(output));
  return exitStatus.converged;
}
