/** The node of a soak: its network, the daemon with all its lives, and what the kernel holds according to ipvsadm, ip and nft. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiServer } from '../support/api-server/api-server.ts';
import { Daemon, type DaemonSettings, type Exit, Workplace } from '../support/daemon.ts';
import { KernelNamespace } from '../support/kernel-namespace.ts';
import { dismissAgent, KernelNetwork } from '../support/kernel-network.ts';
import { tablesText } from '../support/kernel-state.ts';
import { kubeIpvs } from '../support/program.ts';
import { parseSurroundings } from '../support/surroundings.ts';
import { ipvsLines } from '../support/witness.ts';
import { podAddresses } from './cluster.ts';

/** Milliseconds. */
const syncPeriod = 2_000;

/** That the kernel is as the cluster asks is looked at so often, and so long. */
const verifying = { every: 1_000, longest: 180_000 };

const parties = [`pods pod on the node ${podAddresses.join(' ')} serves 9/TCP`];

/** Of the KubeProxyConfiguration. */
const lasting = { clusterCIDR: '10.244.0.0/16', nodePortAddresses: ['192.168.1.0/24'] };

export class SoakNode {
  readonly namespace: KernelNamespace;
  readonly #workplace = new Workplace();
  readonly #network: KernelNetwork;
  readonly #source: DaemonSettings['source'];
  #scheduler = 'rr';
  #daemon: Daemon | undefined;

  static async open(server: ApiServer): Promise<SoakNode> {
    const namespace = new KernelNamespace('soak');
    return new SoakNode(server, namespace, await KernelNetwork.around(namespace.name, parseSurroundings(parties)));
  }

  private constructor(server: ApiServer, namespace: KernelNamespace, network: KernelNetwork) {
    this.namespace = namespace;
    this.#network = network;
    this.#source = this.#workplace.kubeconfig(server);
  }

  get daemon(): Daemon {
    if (this.#daemon === undefined) throw new Error('no daemon was started');
    return this.#daemon;
  }

  async start(): Promise<void> {
    this.#daemon = await Daemon.ready({ netns: this.namespace.name, source: this.#source, config: this.#config() });
  }

  /** The daemon takes another scheduler while it runs. */
  async reload(): Promise<string> {
    this.#scheduler = this.#scheduler === 'rr' ? 'wrr' : 'rr';
    const from = this.daemon.lines.length;
    this.daemon.mount.become(this.#config());
    await this.daemon.line(/is in force/, from);
    return this.#scheduler;
  }

  /** What a fresh process would do: nothing, sooner or later, or lines that say what. Drains end only when the daemon looks at them. */
  async verify(): Promise<string> {
    const end = performance.now() + verifying.longest;
    for (;;) {
      const flags = ['--dry-run', '--config', this.daemon.mount.file, '--netns', this.namespace.name];
      const args = ['reconcile', '--once', ...flags, '--hostname-override', 'node-a'];
      const { status, stdout, stderr } = await kubeIpvs(args);
      if (status === 0) return '';
      if (performance.now() > end) return `exit status ${status}\n${stdout}${stderr}`;
      await sleep(verifying.every);
    }
  }

  /** Without counters, destinations that drain, and whether kube-ipvs0 is up, which changes nothing. */
  state(): string {
    const rules = this.namespace.show('nft -st list ruleset');
    const lines = tablesText(this.namespace.text()).split('\n');
    return [...lines.filter((line) => !line.endsWith(' -w 0')), ...this.namespace.elements(), rules].join('\n');
  }

  /** Addresses that take new connections, by ClusterIP, both sorted. */
  serving(): readonly (readonly [vip: string, endpoints: readonly string[]])[] {
    const found = new Map<string, string[]>();
    for (const line of ipvsLines(this.namespace.name)) {
      const [, verb, vip, pod] = /^-([Aa]) -t (10\.96\.\d+\.\d+):80 (?:-r ([\d.]+):8080 -m -w [^0])?/.exec(line) ?? [];
      if (verb === 'A') found.set(vip!, []);
      else if (pod !== undefined) found.get(vip!)!.push(pod);
    }
    return [...found].toSorted(([one], [other]) => (one < other ? -1 : 1));
  }

  /** Addresses of destinations, of those that drain too. */
  destinations(): ReadonlySet<string> {
    return new Set(ipvsLines(this.namespace.name).flatMap((line) => / -r ([\d.]+):\d+ /.exec(line)?.[1] ?? []));
  }

  async close(): Promise<Exit | undefined> {
    const exit = this.#daemon?.isRunning === true ? await this.#daemon.stop() : undefined;
    await this.#network.close();
    dismissAgent();
    this.namespace.close();
    this.#workplace.close();
    return exit;
  }

  #config(): object {
    return { ...lasting, ipvs: { syncPeriod: `${syncPeriod}ms`, scheduler: this.#scheduler, tcpFinTimeout: '10s' } };
  }
}
