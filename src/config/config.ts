/**
 * What the product was told, as one frozen value. Made from flags today; a KubeProxyConfiguration file will give the same
 * fields, with flags over it.
 */

import { type Cidr, parseCidr } from '../model/address.ts';
import type { UsageProblem } from './arguments.ts';
import type { FlagValues } from './flags.ts';
import { quoted } from './spelling.ts';

/** Deeply frozen. */
export interface Config {
  /** Lower case, as kube-proxy makes it. */
  readonly nodeName: string;
  /** As the kernel knows it (/proc/modules: ip_vs_NAME). Whether the kernel has it only the kernel says. */
  readonly scheduler: string;
  readonly vipBinding: 'address' | 'route';
  /** No address in here and no virtual service on one is ever deleted. A Service with such an address is programmed all the same. */
  readonly excludeCidrs: readonly Cidr[];
  /** A name of `ip netns`; undefined is the namespace that we run in. */
  readonly netns: string | undefined;
  /** 0 logs what an operator needs, 4 and above what a developer needs. */
  readonly verbosity: number;
  readonly loggingFormat: 'text' | 'json';
}

/** What is asked of the machine. */
export interface Host {
  hostname(): string;
}

/** The config of the flags, or everything that is wrong with them. */
export function loadConfig(
  flags: FlagValues,
  host: Host,
): { readonly config: Config } | { readonly problems: readonly UsageProblem[] } {
  const problems: UsageProblem[] = [];
  const nodeName = readNodeName(flags.hostnameOverride, host, problems);
  const excludeCidrs = readCidrs(flags.excludeCidrs, problems);
  checkScheduler(flags.scheduler, problems);
  checkNetns(flags.netns, problems);
  if (problems.length > 0) return { problems };
  return {
    config: Object.freeze({
      nodeName,
      scheduler: flags.scheduler,
      vipBinding: flags.vipBinding,
      excludeCidrs: Object.freeze(excludeCidrs.map((cidr) => Object.freeze(cidr))),
      netns: flags.netns,
      verbosity: flags.verbosity,
      loggingFormat: flags.loggingFormat,
    }),
  };
}

/** As k8s.io/kubernetes pkg/util/node GetHostname: an empty override is none, a blank name is an error. */
function readNodeName(override: string | undefined, host: Host, problems: UsageProblem[]): string {
  const written = override === undefined || override === '' ? host.hostname() : override;
  const name = written.trim().toLowerCase();
  const problem = (message: string) => problems.push({ flag: 'hostname-override', value: written, message });
  if (name === '') {
    problem(
      override === undefined || override === ''
        ? "the host has no name; give the node's name with --hostname-override NODE"
        : `--hostname-override is ${quoted(written)}, which is blank; write the node's name as kubectl get nodes prints it`,
    );
  }
  return name;
}

function readCidrs(written: readonly string[], problems: UsageProblem[]): Cidr[] {
  return written.flatMap((value) => {
    const cidr = parseCidr(value);
    if (cidr !== undefined) return [cidr];
    const message = `--ipvs-exclude-cidrs is ${quoted(value)}, which is no network; write ADDRESS/PREFIX such as 10.0.0.0/8 or fd00::/64`;
    problems.push({ flag: 'ipvs-exclude-cidrs', value, message });
    return [];
  });
}

/** IP_VS_SCHEDNAME_MAXLEN (linux/ip_vs.h) is 16 with the closing zero. */
function checkScheduler(name: string, problems: UsageProblem[]): void {
  if (/^[a-z0-9_-]{1,15}$/.test(name)) return;
  const message = `--ipvs-scheduler is ${quoted(name)}, which can be no scheduler's name; write one such as rr, wrr, lc, wlc, sh or mh`;
  problems.push({ flag: 'ipvs-scheduler', value: name, message });
}

function checkNetns(name: string | undefined, problems: UsageProblem[]): void {
  if (name === undefined || (/^[^/\s\p{Cc}]{1,255}$/u.test(name) && name !== '.' && name !== '..')) return;
  const message = `--netns is ${quoted(name)}, which can be no network namespace's name; write one that ip netns list prints`;
  problems.push({ flag: 'netns', value: name, message });
}
