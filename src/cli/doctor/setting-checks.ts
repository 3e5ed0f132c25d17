/** Settings below /proc/sys: what Services need, what there is, and whether it could be set. */

import { isMet } from '../../desired/settings.ts';
import type { ObservedSetting, WantedSetting } from '../../model/node-state.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

export interface SettingFacts {
  readonly wanted: readonly WantedSetting[];
  /** In the same order. */
  readonly observed: readonly ObservedSetting[];
  /** Why /proc/sys may not be written, an errno's name; undefined: it may. */
  readonly refusal: string | undefined;
  /** Whether the modules that bring settings are there. */
  readonly hasIpvs: boolean;
  readonly hasConntrack: boolean;
}

export interface ForwardingFacts {
  /** undefined: the node has no IPv6. */
  readonly value: string | undefined;
  /** IPv6 Services may be here. */
  readonly isNeeded: boolean;
}

/** Told by {@link reuseFinding}, with what it means. */
const toldElsewhere = 'net/ipv4/vs/conn_reuse_mode';

export function settingFindings(facts: SettingFacts): Finding[] {
  const { wanted, observed } = facts;
  const rows = wanted.map((setting, i) => ({ setting, found: observed[i]! }));
  const told = rows.filter(({ setting }) => setting.name !== toldElsewhere);
  return [procSysFinding(facts, rows), ...told.map(({ setting, found }) => settingFinding(facts, setting, found))];
}

/** Nobody sets it but the operator or the CNI: it also ends the node's own configuration by router advertisements. */
export function forwardingFinding({ value, isNeeded }: ForwardingFacts): Finding {
  const check = 'sysctl:net.ipv6.conf.all.forwarding';
  if (value === undefined) return ok(check, 'not there: the node has no IPv6');
  if (value !== '0') return ok(check, value);
  if (!isNeeded) return ok(check, '0, and nothing tells of IPv6 Services');
  const message = 'is 0, and IPv6 Services may be here: their packets do not pass from and to Pods';
  const cure = 'sysctl -w net.ipv6.conf.all.forwarding=1 (accept_ra=2 where router advertisements are to count on)';
  return warn(check, message, cure);
}

interface Row {
  readonly setting: WantedSetting;
  readonly found: ObservedSetting;
}

function procSysFinding({ refusal }: SettingFacts, rows: readonly Row[]): Finding {
  const check = 'proc-sys';
  if (refusal === undefined) return ok(check, '/proc/sys may be written');
  const why = refusal === 'EROFS' ? '/proc/sys is read-only here' : `/proc/sys may not be written here (${refusal})`;
  const lacking = rows.filter(({ setting, found }) => setting.required && !isRight(setting, found));
  if (lacking.length === 0) return ok(check, `${why}, and all that Services need is set already`);
  const names = lacking.map(({ setting }) => dotted(setting.name)).join(', ');
  return fail(check, `${why}, and these are not as Services need them: ${names}`, writableCure);
}

const writableCure =
  'kube-ipvs run --init-only as root on the host or in a privileged container, as the init container of deploy/kube-ipvs.yaml does';

function settingFinding(facts: SettingFacts, setting: WantedSetting, found: ObservedSetting): Finding {
  const check = `sysctl:${dotted(setting.name)}`;
  if (isRight(setting, found)) return ok(check, found.value!);
  const isWritable = facts.refusal === undefined && (found.writable || found.value === undefined);
  if (found.value === undefined) return absentFinding(check, facts, setting, isWritable);
  const least = setting.when === 'smaller' ? 'at least ' : '';
  const message = `is ${found.value.trim()}, and should be ${least}${setting.value}`;
  const command = commandOf(setting);
  if (isWritable) return warn(check, message, `${command}; kube-ipvs run does so at its start`);
  if (!setting.required) return warn(check, `${message}, and cannot be written here`, `on the host: ${command}`);
  return fail(check, `${message}, and cannot be written here`, `on the host: ${command}`);
}

function absentFinding(check: string, facts: SettingFacts, setting: WantedSetting, isWritable: boolean): Finding {
  const module = moduleOf(setting.name);
  const isExpected = (module === 'ip_vs' && !facts.hasIpvs) || (module === 'nf_conntrack' && !facts.hasConntrack);
  if (isExpected && isWritable)
    return ok(check, `not there until ${module} is loaded; kube-ipvs run then sets ${setting.value}`);
  if (isExpected) {
    const message = `not there until ${module} is loaded, and cannot be written here then`;
    return setting.required ? fail(check, message, writableCure) : warn(check, message, writableCure);
  }
  const message = 'this kernel has no such setting, or does not show it here';
  return setting.required
    ? fail(check, message, 'run in the network namespace of the host, with /proc mounted')
    : warn(check, message, 'set it in the network namespace of the host');
}

function moduleOf(name: string): 'ip_vs' | 'nf_conntrack' | undefined {
  if (name.startsWith('net/ipv4/vs/')) return 'ip_vs';
  return name.includes('nf_conntrack') ? 'nf_conntrack' : undefined;
}

function isRight(setting: WantedSetting, { value }: ObservedSetting): boolean {
  return value !== undefined && isMet(setting, value);
}

function commandOf({ name, value }: WantedSetting): string {
  return name.startsWith('net/') ? `sysctl -w ${dotted(name)}=${value}` : `echo ${value} > /sys/${name}`;
}

/** As sysctl(8) writes it; a parameter of a module keeps its path. */
function dotted(name: string): string {
  return name.startsWith('net/') ? name.replaceAll('/', '.') : name;
}
