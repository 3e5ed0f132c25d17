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
 *     -- traffic --                    who then reaches whom (traffic.ts)
 *     -- sets --                       all elements of our packet filter: `ip services 10.96.0.10 . tcp . 80`; without it: any
 *
 * A step with traffic may leave out operations and state, which are then any. Operations on the packet filter, on settings and on
 * connection tracking (nft, sysctl, conntrack …) are compared only where the section has some of them.
 *
 * Before the first step: `-- only --` names the only kind of kernel that can play the scenario, and why; `-- network --` tells what
 * is around the node (surroundings.ts). Addresses and devices of the network are not part of a state.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stateText } from './kernel-state.ts';
import { parseSurroundings, type Surroundings } from './surroundings.ts';
import { expectedText, parseTraffic, type Seen, seenText, type Traffic } from './traffic.ts';

export interface Step {
  readonly title: string;
  readonly command: 'reconcile' | 'cleanup';
  readonly flags: readonly string[];
  /** All that there are in this step, by file name. */
  readonly manifests: ReadonlyMap<string, string>;
  readonly kernel: readonly string[];
  readonly connections: readonly ConnectionCount[];
  /** undefined: any. */
  readonly ops: readonly string[] | undefined;
  /** undefined: any. */
  readonly state: string | undefined;
  /** Where one process followed all steps: it may know more than a new one can. */
  readonly daemonState: string | undefined;
  readonly messages: readonly string[];
  readonly status: number;
  readonly traffic: readonly Traffic[];
  /** undefined: any. */
  readonly sets: readonly string[] | undefined;
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
  /** undefined: a node without devices. */
  readonly surroundings: Surroundings | undefined;
  readonly steps: readonly Step[];
}

/** What a run did. */
export interface Outcome {
  readonly status: number;
  /** As done; undefined where a world takes more or other steps to the same end. */
  readonly ops: readonly string[] | undefined;
  readonly messages: string | undefined;
  readonly state: string;
  /** For each line of the step's traffic. */
  readonly traffic: readonly Seen[];
  /** Sorted; undefined where the step does not ask. */
  readonly sets: readonly string[] | undefined;
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
  if (outcome.ops !== undefined && step.ops !== undefined) {
    const done = comparable(outcome.ops, step.ops);
    assert.equal(runsOf(done).join('\n'), runsOf(step.ops).join('\n'), about('other operations'));
  }
  const state = isDaemon ? step.daemonState : step.state;
  if (state !== undefined) assert.equal(outcome.state, state, about('another state of the kernel'));
  if (step.sets !== undefined) {
    assert.equal(outcome.sets?.join('\n'), step.sets.toSorted().join('\n'), about('other elements of sets'));
  }
  assert.equal(
    step.traffic.map((line, i) => seenText(line, outcome.traffic[i] ?? [])).join('\n'),
    step.traffic.map(expectedText).join('\n'),
    about('other traffic'),
  );
  if (outcome.messages === undefined) return;
  for (const text of step.messages) assert.ok(outcome.messages.includes(text), about(`nothing says "${text}"`));
  assert.equal(outcome.status, step.status, about('another exit status'));
}

/** Without operations of a command that is not `ip` or `ipvsadm` and that the scenario says nothing of. */
function comparable(done: readonly string[], expected: readonly string[]): readonly string[] {
  const command = (line: string) => /^(nft|sysctl|conntrack|ipvsadm|echo) /.exec(line)?.[1];
  const told = new Set(expected.map(command));
  return done.filter((line) => command(line) === undefined || told.has(command(line)));
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
  'network',
  'flags',
  'kernel',
  'connections',
  'command',
  'ops',
  'state',
  'daemon-state',
  'messages',
  'exit',
  'traffic',
  'sets',
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
  const steps = stepsOf(name, drafts);
  const network = prelude.sections.get('network');
  const isConnected = network !== undefined || steps.some(({ traffic }) => traffic.length > 0);
  const surroundings = isConnected ? parseSurroundings(contentOf(network)) : undefined;
  return { name, only: prelude.sections.get('only')?.join(' ').trim(), surroundings, steps };
}

function contentOf(section: readonly string[] = []): string[] {
  return section.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
}

function stepsOf(name: string, drafts: readonly Draft[]): Step[] {
  let flags: readonly string[] = [];
  let state: string | undefined = '';
  const manifests = new Map<string, string>();
  return drafts.map(({ title, sections }) => {
    const lines = (section: string) => contentOf(sections.get(section));
    const isFree = sections.has('traffic') || sections.has('sets');
    if (!sections.has('ops') && !isFree)
      throw new SyntaxError(`${name}: step "${title}" does not say which operations it expects`);
    if (sections.has('flags')) flags = lines('flags').flatMap((line) => line.split(/\s+/));
    if (sections.has('state')) state = stateText(lines('state'));
    else if (isFree) state = undefined;
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
      ops: sections.has('ops') ? lines('ops') : undefined,
      state,
      daemonState: sections.has('daemon-state') ? stateText(lines('daemon-state')) : state,
      messages: lines('messages'),
      status: Number(lines('exit')[0] ?? 0),
      traffic: lines('traffic').map(parseTraffic),
      sets: sections.has('sets') ? lines('sets') : undefined,
    };
  });
}

function connectionCount(line: string): ConnectionCount {
  const [service = '', destination = '', active, inactive] = line.split(/\s+/);
  return { service, destination, active: Number(active), inactive: Number(inactive) };
}
