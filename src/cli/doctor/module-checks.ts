/** Modules and schedulers: what is there, what can be loaded, what is missing. */

import { some } from '../../model/counted.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { type ModuleFacts, type ModuleState, moduleState } from './modules.ts';

interface Need {
  readonly name: string;
  readonly purpose: string;
  /** What becomes of Services without it. */
  readonly without: 'warn' | 'fail';
}

const needs: readonly Need[] = [
  { name: 'ip_vs', purpose: 'virtual services', without: 'fail' },
  { name: 'nf_conntrack', purpose: 'connection tracking, by which IPVS translates addresses', without: 'fail' },
  { name: 'dummy', purpose: 'the device kube-ipvs0', without: 'fail' },
  { name: 'nf_tables', purpose: 'the packet filter', without: 'fail' },
  { name: 'nft_chain_nat', purpose: 'masquerading', without: 'fail' },
  { name: 'nft_masq', purpose: 'masquerading', without: 'fail' },
  { name: 'nft_nat', purpose: 'clients of this node of Services with a policy Local', without: 'fail' },
  { name: 'nft_ct', purpose: 'the guard of virtual addresses', without: 'fail' },
  { name: 'nft_reject_ipv4', purpose: 'the guard of virtual addresses', without: 'fail' },
  { name: 'nft_reject_ipv6', purpose: 'the guard of virtual addresses', without: 'fail' },
  { name: 'nf_conntrack_netlink', purpose: 'forgetting flows of UDP endpoints that are gone', without: 'warn' },
];

/** Every module that is looked at, but those of schedulers. */
export const neededModules: readonly string[] = needs.map(({ name }) => name);

export function schedulerModule(scheduler: string): string {
  return `ip_vs_${scheduler}`;
}

export function moduleFindings(facts: ModuleFacts): Finding[] {
  return needs.map((need) => moduleFinding(facts, need));
}

function moduleFinding(facts: ModuleFacts, { name, purpose, without }: Need): Finding {
  const check = `module:${name}`;
  const state = moduleState(facts, name);
  const problem = problemOf(facts, name, state);
  if (problem === undefined) return ok(check, stateText(state));
  const level = problem.level === 'fail' ? without : 'warn';
  return { check, level, message: `${problem.message}; it is for ${purpose}`, cure: problem.cure };
}

function stateText({ kind }: ModuleState): string {
  if (kind === 'built in') return 'built into the kernel';
  return kind === 'loaded' ? 'loaded' : 'not loaded; the kernel loads it when it is asked for';
}

interface Problem {
  readonly level: 'warn' | 'fail';
  readonly message: string;
  readonly cure: string;
}

/** undefined: there is none. */
function problemOf(facts: ModuleFacts, name: string, state: ModuleState): Problem | undefined {
  if (facts.isWhole && (state.kind === 'missing' || state.kind === 'unknown')) return notBuiltIn(name, state.kind);
  switch (state.kind) {
    case 'loaded':
    case 'built in':
    case 'loadable':
      return undefined;
    case 'missing':
      return {
        level: 'fail',
        message: `this kernel has no module ${name}: it is neither loaded nor built in, and ${facts.folder} has no file of it`,
        cure: `install the kernel package that carries it (Debian: linux-image-amd64, Ubuntu: linux-modules-extra), then modprobe ${name}`,
      };
    case 'switched off':
      return {
        level: 'fail',
        message: `the module ${name} is not loaded, and ${state.by} keeps it from being loaded`,
        cure: `remove its line (install or blacklist) from ${state.by}, then modprobe ${name}`,
      };
    case 'not loaded':
      return notLoaded(name, state.why);
    case 'unknown':
      return {
        level: 'warn',
        message: `the module ${name} is not loaded, and without ${facts.folder} nothing tells here whether it could be`,
        cure: `on the host: modprobe ${name}`,
      };
    default:
      return state satisfies never;
  }
}

/** Of a kernel that loads no modules. */
function notBuiltIn(name: string, kind: 'missing' | 'unknown'): Problem {
  if (kind === 'missing') {
    return {
      level: 'fail',
      message: `this kernel was built without modules, and without ${name}`,
      cure: `run a kernel that has ${name}, built in or as a module`,
    };
  }
  return {
    level: 'warn',
    message: `this kernel was built without modules, and nothing tells here whether ${name} is built in`,
    cure: 'zcat /proc/config.gz may tell; where it is not, run a kernel that has it',
  };
}

function notLoaded(name: string, why: Extract<ModuleState, { kind: 'not loaded' }>['why']): Problem {
  switch (why) {
    case 'modules_disabled':
      return {
        level: 'fail',
        message: `the module ${name} is not loaded, and this kernel loads none until it starts again (kernel.modules_disabled is 1)`,
        cure: `name ${name} in a file of /etc/modules-load.d, so that it is loaded before modules are disabled, and restart the node`,
      };
    case 'modprobe':
      return {
        level: 'fail',
        message: `the module ${name} is not loaded, and the kernel can load none by itself (kernel.modprobe names no program that would)`,
        cure: `modprobe ${name}, or sysctl -w kernel.modprobe=/sbin/modprobe`,
      };
    case 'alias':
      return {
        level: 'fail',
        message: `the module ${name} is not loaded, and this kernel, unlike those from 5.11 on, does not load it by itself`,
        cure: `modprobe ${name}, and name it in a file of /etc/modules-load.d, so that it is loaded when the node starts`,
      };
    default:
      return why satisfies never;
  }
}

/** The scheduler of the configuration, and all that there are. `known` are those that a kernel may have. */
export function schedulerFindings(facts: ModuleFacts, wanted: string, known: readonly string[]): Finding[] {
  const offered = known.filter((name) => isOffered(moduleState(facts, schedulerModule(name))));
  const here = offered.length === 0 ? 'none is known to be here' : `here are ${offered.join(', ')}`;
  return [schedulerFinding(facts, wanted, offered), ok('schedulers', here)];
}

function isOffered({ kind }: ModuleState): boolean {
  return kind === 'loaded' || kind === 'built in' || kind === 'loadable';
}

function schedulerFinding(facts: ModuleFacts, wanted: string, offered: readonly string[]): Finding {
  const name = schedulerModule(wanted);
  const state = moduleState(facts, name);
  const problem = problemOf(facts, name, state);
  if (problem === undefined) return ok('scheduler', `${wanted}: ${stateText(state)}`);
  const choice =
    offered.length === 0 ? '' : `, or choose another with --ipvs-scheduler or ipvs.scheduler: ${some(offered, 20)}`;
  const message = `virtual services are to have the scheduler ${wanted}; ${problem.message}`;
  return problem.level === 'fail'
    ? fail('scheduler', message, `${problem.cure}${choice}`)
    : warn('scheduler', message, `${problem.cure}${choice}`);
}
