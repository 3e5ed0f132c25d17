/** `kube-ipvs doctor`: looks at the node and at the API server, says what is wrong and what to do about it, and changes nothing. */

import { cpus, release } from 'node:os';
import type { Config } from '../../config/config.ts';
import type { Machine } from '../../desired/settings.ts';
import { type FilterName, legacyNames, setNames } from '../../kernel/filter-names.ts';
import { identityOf, noNamespace } from '../../kernel/network-namespace.ts';
import { counted } from '../../model/counted.ts';
import { deviceName } from '../../model/op.ts';
import { type HostFiles, hostFiles } from '../host-files.ts';
import { exitStatus, type Invocation } from '../invocation.ts';
import { runningKubeProxy } from '../kube-proxy/running.ts';
import { knownSchedulers } from '../scheduler.ts';
import { clusterFindings } from './cluster-checks.ts';
import { clusterFacts } from './cluster-facts.ts';
import { deviceFinding, nodePortFinding } from './device-checks.ts';
import { type Examination, examine, within } from './examination.ts';
import { type Finding, fail, ok } from './finding.ts';
import { networkdFacts, networkManagerFacts, privilegeFacts } from './host-facts.ts';
import { connectionTableFinding, estimatorFinding, kernelFinding, reuseFinding } from './kernel-checks.ts';
import {
  forwardingFacts,
  type Ipvs,
  ipvsFacts,
  readAddresses,
  readIpvs,
  readLinks,
  readNftables,
  settingFacts,
} from './kernel-facts.ts';
import { type KernelRelease, kernelRelease } from '../../model/kernel-release.ts';
import { moduleFindings, neededModules, schedulerFindings, schedulerModule } from './module-checks.ts';
import { isPresent, type ModuleFacts, readModules, unknownModules } from './modules.ts';
import { networkdFinding, networkManagerFinding } from './network-owners.ts';
import { privilegeFindings } from './privilege-checks.ts';
import {
  ciliumFinding,
  iptablesFinding,
  kubeRouterFinding,
  nftablesFinding,
  processFinding,
  setFinding,
} from './proxy-checks.ts';
import { doctorJson, doctorReport, doctorText } from './report.ts';
import { forwardingFinding, settingFindings } from './setting-checks.ts';

/** Exit status 1 when a check failed; warnings alone are 0. */
export async function doctor({ config, flags, signal, stdout }: Invocation): Promise<number> {
  // without it each check would tell of itself what is wrong with the name
  if (config.netns !== undefined && identityOf(config.netns) === undefined) throw noNamespace(config.netns);
  try {
    const files = hostFiles();
    const kernel = kernelRelease(
      ((await files.text('/proc/sys/kernel/osrelease').catch(() => undefined)) ?? release()).trim(),
    );
    const schedulers = [...new Set([...knownSchedulers, config.scheduler])];
    const names = [...neededModules, 'ip_set', ...schedulers.map(schedulerModule)];
    const found = within(limit, readModules(files, kernel.text, names));
    const modules = await found.catch(() => unknownModules(kernel.text));
    const node: Node = { config, files, kernel, found, modules, schedulers, ...readings(config, modules) };
    const findings = await examine(examinations(node), signal);
    const report = doctorReport(config.nodeName, kernel.text, findings);
    stdout.write(flags.output === 'json' ? doctorJson(report) : doctorText(report));
    return report.level === 'fail' ? exitStatus.failed : exitStatus.converged;
  } catch (error) {
    if (signal.aborted) return exitStatus.interrupted;
    throw error;
  }
}

/** What the examinations work from. A reading that several need is made once; a failure is told by each. */
interface Node {
  readonly config: Config;
  readonly files: HostFiles;
  readonly kernel: KernelRelease;
  /** Rejected where modules cannot be told; `modules` then says that nothing is known. */
  readonly found: Promise<ModuleFacts>;
  readonly modules: ModuleFacts;
  readonly schedulers: readonly string[];
  readonly links: ReturnType<typeof readLinks>;
  readonly ipvs: Promise<Ipvs | undefined>;
  readonly nftables: Promise<readonly FilterName[]>;
  readonly legacy: Promise<readonly FilterName[]>;
}

function readings({ netns }: Config, modules: ModuleFacts): Pick<Node, 'links' | 'ipvs' | 'nftables' | 'legacy'> {
  const shared = {
    links: readLinks(netns),
    ipvs: isPresent(modules, 'ip_vs') ? readIpvs(netns) : Promise.resolve(undefined),
    nftables: readNftables(netns, modules),
    legacy: legacyNames(netns),
  };
  // whoever needs it tells
  for (const reading of Object.values(shared)) reading.catch(() => {});
  return shared;
}

/** Milliseconds: for what hangs, and not for a node that is busy. */
const limit = 30_000;

function examination(check: string, run: Examination['run']): Examination {
  return { check, limit, run };
}

function examinations(node: Node): readonly Examination[] {
  const { config, files, kernel, modules, schedulers } = node;
  const { netns } = config;
  return [
    examination('kernel', async () => [kernelFinding(kernel)]),
    examination('ipvs', async () => ipvsFindings(node)),
    examination('modules', async () => [
      ...moduleFindings(await node.found),
      ...schedulerFindings(modules, config.scheduler, schedulers),
    ]),
    examination('sysctls', async () => [
      ...settingFindings(await settingFacts(files, config, { machine: machineOf(kernel), modules })),
      forwardingFinding(await forwardingFacts(config, await node.ipvs.catch(() => undefined))),
    ]),
    examination('capabilities', async () => privilegeFindings(await privilegeFacts(files, netns))),
    examination('device', () => deviceFindings(node)),
    examination('systemd-networkd', async () => [networkdFinding(await networkdFacts(files, await deviceIndex(node)))]),
    examination('network-manager', async () => [
      networkManagerFinding(await networkManagerFacts(files, await deviceIndex(node))),
    ]),
    examination('nodeport-addresses', async () => [
      nodePortFinding(config.nodePortAddresses, await readAddresses(netns, await node.links), config.nodeIP),
    ]),
    examination('kube-proxy-process', async () => [
      processFinding(await runningKubeProxy({ files, netns, metrics: config.metricsAddress })),
    ]),
    examination('kube-proxy-iptables-legacy', async () => [iptablesFinding('legacy', await node.legacy)]),
    examination('kube-proxy-iptables-nft', async () => [iptablesFinding('nft', await node.nftables)]),
    examination('kube-proxy-nftables', async () => [nftablesFinding(await node.nftables)]),
    examination('kube-proxy-ipsets', async () => [
      setFinding(isPresent(modules, 'ip_set') ? await setNames(netns) : []),
    ]),
    examination('kube-router', async () => [
      kubeRouterFinding(await deviceNames(node), chainNames([...(await node.nftables), ...(await node.legacy)])),
    ]),
    examination('cilium', async () => [ciliumFinding(await deviceNames(node))]),
    examination('api-server', async (signal) => clusterFindings(await clusterFacts(config, signal))),
  ];
}

/** IPVS itself, and what it is known for in this version. */
async function ipvsFindings({ config, files, kernel, ipvs: reading }: Node): Promise<Finding[]> {
  let ipvs: Ipvs | undefined;
  const findings: Finding[] = [];
  try {
    ipvs = await reading;
    const message =
      ipvs === undefined
        ? 'not loaded, and so not asked'
        : `version ${ipvs.version}, ${counted(ipvs.virtualServices, 'virtual service')}`;
    findings.push(ok('ipvs', message));
  } catch (error) {
    findings.push(fail('ipvs', (error as Error).message, 'see capabilities and user-namespace below'));
  }
  const facts = await ipvsFacts(files, config, { machine: machineOf(kernel), ipvs });
  return [
    ...findings,
    reuseFinding(kernel, facts),
    estimatorFinding(kernel, facts),
    connectionTableFinding(kernel, facts),
  ];
}

function machineOf({ text }: KernelRelease): Machine {
  return { kernelRelease: text, cpus: cpus().length };
}

async function deviceFindings({ links }: Node): Promise<Finding[]> {
  try {
    return [deviceFinding(await links)];
  } catch (error) {
    return [fail('device', (error as Error).message, 'run in a network namespace that is there, as root')];
  }
}

/** What the programs of the host say of devices is not of another network namespace. */
async function deviceIndex({ config, links }: Node): Promise<number | undefined> {
  if (config.netns !== undefined) return undefined;
  return (await links).find(({ name }) => name === deviceName)?.index;
}

async function deviceNames({ links }: Node): Promise<string[]> {
  return (await links).map(({ name }) => name);
}

function chainNames(names: readonly FilterName[]): string[] {
  return names.flatMap(({ chain }) => chain ?? []);
}
