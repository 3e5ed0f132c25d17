/** Completion scripts for bash, zsh and fish, made from the command table and the flag table. */

import { type CommandName, commandTable, type Operand, type Shell } from '../config/commands.ts';
import { dashed, type FlagSpec, flagNames, flagsOf } from '../config/flags.ts';

export function completionScript(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bash();
    case 'zsh':
      return zsh();
    case 'fish':
      return fish();
    default:
      return shell satisfies never;
  }
}

const commands = Object.keys(commandTable) as CommandName[];

function names(flag: FlagSpec): readonly string[] {
  return flagNames(flag).map(dashed);
}

/** Words that may follow a flag: its choices; `undefined` stands for a path, an empty list for free text. */
function valuesOf(flag: FlagSpec): readonly string[] | undefined {
  return /^(PATH|FILE)/.test(flag.value ?? '') ? undefined : (flag.choices ?? []);
}

/** Whether words without a flag may be paths, as those behind `--manifests a.yaml` are. */
function takesPaths(command: CommandName): boolean {
  return flagsOf(command).some((flag) => flag.takesOperands === true);
}

function bash(): string {
  const words = commands.map((name) => {
    const operands = commandTable[name].operand?.choices ?? [];
    return `    ${name}) words="${[...operands, ...flagsOf(name).flatMap(names)].join(' ')}" ;;`;
  });
  const withoutCommand = [...commands, ...flagsOf('run').flatMap(names)];
  const seen = new Set<FlagSpec>(commands.flatMap((name) => flagsOf(name)));
  const values = [...seen]
    .filter((flag) => flag.kind !== 'boolean')
    .map((flag) => {
      const choices = valuesOf(flag);
      const reply =
        choices === undefined ? 'compgen -f -- "$current"' : `compgen -W "${choices.join(' ')}" -- "$current"`;
      return `    ${names(flag).join('|')}) mapfile -t COMPREPLY < <(${reply}); return ;;`;
    });
  return `# bash completion for kube-ipvs
_kube_ipvs() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="" word words
  case "$previous" in
${values.join('\n')}
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in ${commands.join('|')}) command="$word"; break ;; esac
  done
  case "$command" in
${words.join('\n')}
    *) words="${withoutCommand.join(' ')}" ;;
  esac
  if [[ "$command" =~ ^(${commands.filter(takesPaths).join('|')})$ && "$current" != -* ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -o filenames -F _kube_ipvs kube-ipvs
`;
}

function zsh(): string {
  const described = commands.map((name) => `    ${zshQuoted(`${name}:${commandTable[name].summary}`)}`);
  const cases = commands.map((name) => {
    const operand = commandTable[name].operand;
    const specs = [
      ...flagsOf(name).flatMap(zshFlag),
      ...(operand === undefined ? [] : [zshQuoted(`1:${zshOperand(operand)}`)]),
      ...(takesPaths(name) ? [zshQuoted('*:manifest:_files')] : []),
    ];
    return `    ${name}) _arguments ${specs.join(' ')} ;;`;
  });
  return `#compdef kube-ipvs
_kube_ipvs() {
  local -a commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )) && [[ "\${words[2]}" != -* ]]; then
    _describe command commands
    return
  fi
  local command="\${words[2]}"
  if [[ "$command" == -* ]]; then
    command=run
  else
    shift words
    (( CURRENT-- ))
  fi
  case "$command" in
${cases.join('\n')}
  esac
}
if [[ "\${zsh_eval_context[-1]}" == loadautofunc ]]; then
  _kube_ipvs "$@"
else
  compdef _kube_ipvs kube-ipvs
fi
`;
}

function zshOperand({ name, choices }: Operand): string {
  return `${name.replaceAll(':', '\\:')}:${choices.length === 0 ? ' ' : `(${choices.join(' ')})`}`;
}

function zshFlag(flag: FlagSpec): string[] {
  const summary = flag.summary.replace(/[[\]:]/g, '\\$&');
  return names(flag).map((name) => {
    if (flag.kind === 'boolean') return zshQuoted(`${name}[${summary}]`);
    const choices = valuesOf(flag);
    const action = choices === undefined ? '_files' : choices.length > 0 ? `(${choices.join(' ')})` : ' ';
    return zshQuoted(`*${name}${name.startsWith('--') ? '=' : ''}[${summary}]:value:${action}`);
  });
}

function zshQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fish(): string {
  const lines = commands.map(
    (name) =>
      `complete -c kube-ipvs -f -n __fish_use_subcommand -a ${name} -d ${fishQuoted(commandTable[name].summary)}`,
  );
  for (const name of commands) {
    // Without a command the flags are those of run.
    const orNone = name === 'run' ? '; or __fish_use_subcommand' : '';
    const condition = fishQuoted(`__fish_seen_subcommand_from ${name}${orNone}`);
    const operand = commandTable[name].operand;
    if (operand !== undefined && operand.choices.length > 0) {
      lines.push(`complete -c kube-ipvs -f -n ${condition} -a ${fishQuoted(operand.choices.join(' '))}`);
    }
    for (const flag of flagsOf(name)) {
      const options = flagNames(flag).map((option) => `${option.length === 1 ? '-s' : '-l'} ${option}`);
      const choices = valuesOf(flag);
      const values =
        choices === undefined ? '-r -F' : choices.length > 0 ? `-x -a ${fishQuoted(choices.join(' '))}` : '-x';
      const value = flag.kind === 'boolean' ? [] : [values];
      lines.push(
        ['complete -c kube-ipvs', `-n ${condition}`, ...options, ...value, `-d ${fishQuoted(flag.summary)}`].join(' '),
      );
    }
  }
  return `# fish completion for kube-ipvs\n${lines.join('\n')}\n`;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
