/**
 * A node with Pods and clients around it, each a network namespace: joined to the node by a veth pair and host routes, as
 * Calico does, so that every packet passes the node's netfilter hooks. Needs root; leaves nothing behind once closed.
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { endpointText } from '../../src/model/address.ts';

const gateway4 = '169.254.1.1';
const gateway6 = 'fd00:169::1';

/** Seconds that a client waits for its answer: a TCP server tells the end of it, a UDP one is waited for each time that long. */
const patience = { TCP: '10', UDP: '2' } as const;

export class Network {
  /** The namespace in which virtual services are programmed. */
  readonly node: string;
  readonly #prefix: string;
  readonly #namespaces: string[] = [];
  readonly #processes: ChildProcess[] = [];

  constructor(name: string) {
    this.#prefix = `${name}-${process.pid}`;
    this.node = this.#addNamespace('node');
    this.run(this.node, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  }

  /** A namespace that reaches the node's virtual addresses, and is reached, by the addresses given. Answers its name. */
  join(name: string, addresses: readonly string[]): string {
    const namespace = this.#addNamespace(name);
    const device = `to-${name}`;
    ip('link', 'add', device, 'netns', this.node, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('-n', this.node, 'link', 'set', device, 'up');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    ip('-n', this.node, 'address', 'add', `${gateway4}/32`, 'dev', device);
    ip('-n', this.node, 'address', 'add', `${gateway6}/128`, 'dev', device, 'nodad');
    for (const address of addresses) {
      const isIPv6 = address.includes(':');
      ip(
        '-n',
        namespace,
        'address',
        'add',
        `${address}/${isIPv6 ? 128 : 32}`,
        'dev',
        'eth0',
        ...(isIPv6 ? ['nodad'] : []),
      );
      ip('-n', this.node, 'route', 'add', address, 'dev', device);
    }
    for (const gateway of [gateway4, gateway6]) {
      const family = gateway === gateway6 ? '-6' : '-4';
      ip('-n', namespace, family, 'route', 'add', gateway, 'dev', 'eth0');
      ip('-n', namespace, family, 'route', 'add', 'default', 'via', gateway, 'dev', 'eth0');
    }
    return namespace;
  }

  /** Answers every line (TCP) or datagram (UDP) on the port, of both families, with the namespace's short name. */
  async serve(namespace: string, protocol: 'TCP' | 'UDP', port: number, answer: string): Promise<void> {
    const listen =
      protocol === 'TCP'
        ? `TCP6-LISTEN:${port},ipv6only=0,fork,reuseaddr`
        : `UDP6-RECVFROM:${port},ipv6only=0,fork,reuseaddr`;
    const script = protocol === 'TCP' ? `while read line; do echo ${answer}; done` : `echo ${answer}`;
    // a client that has said all ends its side: without a word on it socat would give the answer half a second from then
    this.#processes.push(this.start(namespace, 'socat', '-t', patience.TCP, listen, `SYSTEM:${script}`));
    const option = protocol === 'TCP' ? '-Hltn' : '-Hlun';
    while (this.run(namespace, 'ss', option, `sport = :${port}`).trim() === '') {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What one request from the namespace is answered: the answer's text, or '' when refused or silent. */
  ask(namespace: string, protocol: 'TCP' | 'UDP', address: string, port: number): string {
    const target = `${protocol}:${endpointText(address, port)}${protocol === 'TCP' ? ',connect-timeout=5' : ''}`;
    try {
      const args = clientIn(namespace, protocol, target);
      return execFileSync('ip', args, { input: 'hello\n', encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }).trim();
    } catch {
      return '';
    }
  }

  /** The answer to one TCP request; 'refused' at once, or 'silent'. */
  reach(namespace: string, address: string, port: number): string {
    const args = clientIn(namespace, 'TCP', `TCP:${endpointText(address, port)},connect-timeout=2`);
    const { status, stdout, stderr } = spawnSync('ip', args, { input: 'hello\n', encoding: 'utf8' });
    if (status === 0) return stdout.trim();
    return stderr.includes('Connection refused') ? 'refused' : 'silent';
  }

  /** A TCP connection that stays open. */
  async connect(namespace: string, address: string, port: number): Promise<Connection> {
    const child = this.start(namespace, 'socat', '-', `TCP:${endpointText(address, port)},connect-timeout=5`);
    this.#processes.push(child);
    return new Connection(child);
  }

  run(namespace: string, ...command: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', namespace, ...command], { encoding: 'utf8' });
  }

  start(namespace: string, ...command: readonly string[]): ChildProcess {
    return spawn('ip', ['netns', 'exec', namespace, ...command], { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  }

  async close(): Promise<void> {
    const running = this.#processes.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const exits = running.map((child) => once(child, 'exit'));
    // the groups: socat's children too; all before any is awaited, since of several that ended together the first is told before the others
    for (const { pid } of running) process.kill(-pid!, 'SIGKILL');
    await Promise.all(exits);
    for (const namespace of this.#namespaces) ip('netns', 'delete', namespace);
  }

  #addNamespace(name: string): string {
    const namespace = `${this.#prefix}-${name}`;
    ip('netns', 'add', namespace);
    this.#namespaces.push(namespace);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    return namespace;
  }
}

/** What `ip` is told to run socat in the namespace, as a client of its target. */
function clientIn(namespace: string, protocol: keyof typeof patience, target: string): string[] {
  return ['netns', 'exec', namespace, 'socat', '-t', patience[protocol], '-', target];
}

export class Connection {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = linesOf(child);
  }

  /** Sends a line and gives the line that comes back; undefined when the connection is gone. */
  async ask(): Promise<string | undefined> {
    this.#child.stdin!.write('hello\n');
    const answer = await this.#lines.next();
    return answer.done === true ? undefined : answer.value;
  }
}

async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  let pending = '';
  for await (const chunk of child.stdout!) {
    pending += String(chunk);
    for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
      yield pending.slice(0, end);
      pending = pending.slice(end + 1);
    }
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
