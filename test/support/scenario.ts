/**
 * Scenarios: one text file each, run the same way on the fake kernel and on a real one.
 *
 *     # What this is about.
 *
 *     == the first step                one run of the program, after what the sections say
 *     -- flags --                      flags of the command line; they hold until a later step has others
 *     -- web.yaml --                   a manifest, written or replaced; with nothing below it, removed
 *     -- kernel --                     what somebody else does first: ipvsadm and ip lines
 *     -- connections --                what a dump shows: SERVICE DESTINATION ACTIVE INACTIVE (fake kernel only)
 *     -- command --                    `cleanup` instead of `reconcile --once`
 *     -- ops --                        the operations that are to be done; lines of one kind and verb in any order
 *     -- state --                      what the kernel then holds (kernel-state.ts); without it: what it held before
 *     -- daemon-state --               what it holds where one process followed all steps, if that is something else
 *     -- messages --                   texts that standard error contains
 *     -- exit --                       the exit status; without it: 0
 *
 * `-- only --` before the first step names the only kind of kernel that can play it, and why.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stateText } from './kernel-state.ts';

export interface Step {
  readonly title: string;
  readonly command: 'reconcile' | 'cleanup';
  readonly flags: readonly string[];
  /** All that there are in this step, by file name. */
  readonly manifests: ReadonlyMap<string, string>;
  readonly kernel: readonly string[];
  readonly connections: readonly ConnectionCount[];
  readonly ops: readonly string[];
  readonly state: string;
  /** Where one process followed all steps: it may know more than a new one can. */
  readonly daemonState: string;
  readonly messages: readonly string[];
  readonly status: number;
}

export interface ConnectionCount {
  readonly service: string;
  readonly destination: string;
  readonly active: number;
  readonly inactive: number;
}

export interface Scenario {
  readonly name: string;
  readonly only: string | undefined;
  readonly steps: readonly Step[];
}

/** What a run did. */
export interface Outcome {
  readonly status: number;
  /** As done; undefined where a world takes more or other steps to the same end. */
  readonly ops: readonly string[] | undefined;
  readonly messages: string | undefined;
  readonly state: string;
}

/** Something that steps can be played in, one after the other. */
export interface World {
  /** One process follows all steps. */
  readonly isDaemon?: boolean;
  play(step: Step): Promise<Outcome>;
  close(): Promise<void> | void;
}

/** All scenarios of test/scenarios; tests run from dist/. */
export function allScenarios(): Scenario[] {
  const folder = fileURLToPath(new URL('../../../test/scenarios/', import.meta.url));
  const files = readdirSync(folder).filter((file) => file.endsWith('.txtar'));
  return files
    .toSorted()
    .map((file) => parseScenario(basename(file, '.txtar'), readFileSync(join(folder, file), 'utf8')));
}

/** Plays every step and checks what it did. */
export async function play(scenario: Scenario, world: World): Promise<void> {
  try {
    for (const step of scenario.steps) check(step, await world.play(step), world.isDaemon === true);
  } finally {
    await world.close();
  }
}

function check(step: Step, outcome: Outcome, isDaemon: boolean): void {
  const about = (what: string) => `step "${step.title}": ${what}\n${outcome.messages ?? ''}`;
  if (outcome.ops !== undefined) {
    assert.equal(runsOf(outcome.ops).join('\n'), runsOf(step.ops).join('\n'), about('other operations'));
  }
  assert.equal(outcome.state, isDaemon ? step.daemonState : step.state, about('another state of the kernel'));
  if (outcome.messages === undefined) return;
  for (const text of step.messages) assert.ok(outcome.messages.includes(text), about(`nothing says "${text}"`));
  assert.equal(outcome.status, step.status, about('another exit status'));
}

/** Neighbours of one kind and verb, sorted: their order is the order of somebody's hash table. */
function runsOf(ops: readonly string[]): string[] {
  const runs: { readonly kind: string; readonly lines: string[] }[] = [];
  for (const line of ops) {
    const kind = line.startsWith('ip ') ? line.split(' ').slice(0, 3).join(' ') : line.slice(0, 2);
    const last = runs.at(-1);
    if (last?.kind === kind) last.lines.push(line);
    else runs.push({ kind, lines: [line] });
  }
  return runs.flatMap(({ lines }) => lines.toSorted());
}

interface Draft {
  readonly title: string;
  readonly sections: Map<string, string[]>;
}

const sectionNames = [
  'only',
  'flags',
  'kernel',
  'connections',
  'command',
  'ops',
  'state',
  'daemon-state',
  'messages',
  'exit',
];

export function parseScenario(name: string, text: string): Scenario {
  const prelude: Draft = { title: '', sections: new Map() };
  const drafts: Draft[] = [];
  let section: string[] | undefined;
  for (const line of text.split('\n')) {
    const title = /^== (.+)$/.exec(line)?.[1];
    const heading = /^-- (\S+) --$/.exec(line)?.[1];
    if (title !== undefined) {
      drafts.push({ title, sections: new Map() });
      section = undefined;
    } else if (heading !== undefined) {
      const { sections } = drafts.at(-1) ?? prelude;
      const isKnown = sectionNames.includes(heading) || /\.(ya?ml|json)$/.test(heading);
      if (!isKnown || sections.has(heading))
        throw new SyntaxError(`${name}: section ${heading} is unknown or repeated`);
      sections.set(heading, (section = []));
    } else if (section !== undefined) section.push(line);
    else if (line !== '' && !line.startsWith('#'))
      throw new SyntaxError(`${name}: a line outside of any section: ${line}`);
  }
  if (drafts.length === 0) throw new SyntaxError(`${name}: no steps`);
  return { name, only: prelude.sections.get('only')?.join(' ').trim(), steps: stepsOf(name, drafts) };
}

function stepsOf(name: string, drafts: readonly Draft[]): Step[] {
  let flags: readonly string[] = [];
  let state = '';
  const manifests = new Map<string, string>();
  return drafts.map(({ title, sections }) => {
    const lines = (section: string) =>
      (sections.get(section) ?? []).map((line) => line.trim()).filter((line) => line !== '');
    if (!sections.has('ops'))
      throw new SyntaxError(`${name}: step "${title}" does not say which operations it expects`);
    if (sections.has('flags')) flags = lines('flags').flatMap((line) => line.split(/\s+/));
    if (sections.has('state')) state = stateText(lines('state'));
    for (const [section, body] of sections) {
      if (sectionNames.includes(section)) continue;
      const text = body.join('\n');
      if (text.trim() === '') manifests.delete(section);
      else manifests.set(section, text);
    }
    return {
      title,
      command: lines('command')[0] === 'cleanup' ? 'cleanup' : 'reconcile',
      flags,
      manifests: new Map(manifests),
      kernel: lines('kernel'),
      connections: lines('connections').map(connectionCount),
      ops: lines('ops'),
      state,
      daemonState: sections.has('daemon-state') ? stateText(lines('daemon-state')) : state,
      messages: lines('messages'),
      status: Number(lines('exit')[0] ?? 0),
    };
  });
}

function connectionCount(line: string): ConnectionCount {
  const [service = '', destination = '', active, inactive] = line.split(/\s+/);
  return { service, destination, active: Number(active), inactive: Number(inactive) };
}
