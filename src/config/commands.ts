/** The commands of kube-ipvs. Parsing, help, completion and the README's tables are made from this and the flag table. */

import { parseVirtualServiceKey } from '../model/virtual-service.ts';

export interface CommandSpec {
  /** One line, lower case, no full stop. */
  readonly summary: string;
  /** Behind `kube-ipvs NAME` in the usage line. */
  readonly usage: string;
  /** Paragraphs of the command's own help. */
  readonly help: readonly string[];
  /** The one word that may follow the command. */
  readonly operand?: Operand;
}

export interface Operand {
  readonly name: string;
  readonly required: boolean;
  /** Words to choose from; without any it may be every word that `fits`. */
  readonly choices: readonly string[];
  readonly fits?: (word: string) => boolean;
  /** How one looks that fits. */
  readonly example?: string;
}

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

export const commandNames = [
  'run',
  'reconcile',
  'takeover',
  'cleanup',
  'status',
  'explain',
  'doctor',
  'completion',
  'version',
  'help',
] as const;
export type CommandName = (typeof commandNames)[number];

export const commandTable: Readonly<Record<CommandName, CommandSpec>> = {
  run: {
    summary: 'watch a cluster, or manifests, and keep the kernel right; what kube-ipvs does without a command',
    usage: '[flags]',
    help: [
      "Takes kube-proxy's flags and its file (--config), and says what of them means nothing here. Beside a file only those",
      'flags count for which it has no field, and --hostname-override, --manifests, --vip-binding,',
      '--service-cluster-ip-range, --drain-timeout, --status-socket, --traffic-series, --netns, -v and --logging-format.',
      'SIGHUP, and a change of the file of --config, make it read its configuration again; SIGTERM and SIGINT end it.',
      'Exit status: 0 told to end (what was applied stays), and after --write-config-to, --init-only and --cleanup,',
      '1 something failed, 64 bad usage or a bad file.',
    ],
  },
  status: {
    summary: 'print what the running daemon believes, or without one what the kernel has',
    usage: '[flags]',
    help: [
      'Asks the daemon at --status-socket. Without one, prints what the kernel has, which takes CAP_NET_ADMIN.',
      'Exit status: 0 printed, 1 neither can be asked, 64 bad usage, 130 interrupted (-w).',
    ],
  },
  reconcile: {
    summary: 'bring the kernel of this node to what a cluster, or manifests, ask of it, once',
    usage: '--once [flags]',
    help: [
      'Reads Services, EndpointSlices and Nodes from the API server, or with --manifests as `kubectl get',
      'services,endpointslices,nodes -A -o yaml` (or -o json) prints them, and applies the difference to the kernel.',
      'Prints each change as an ipvsadm, ip, nft, sysctl or conntrack line.',
      'Exit status: 0 converged (with --dry-run: nothing to do), 2 --dry-run found changes, 1 something could not be',
      'applied, 64 bad usage or bad manifests, 130 or 143 interrupted.',
    ],
  },
  takeover: {
    summary: "take a node over from kube-proxy's ipvs mode with all connections, and remove its rules and ipsets",
    usage: '[flags]',
    help: [
      'Makes one pass as reconcile --once does, which adopts kube-ipvs0, its addresses and the virtual services of kube-proxy;',
      "then removes kube-proxy's chains of iptables, its ipsets and the tables of its nftables mode, by the node's own",
      'iptables and ipset. Whatever else is there stays. With --dry-run it prints all of that and changes nothing.',
      'Exit status: 0 taken over (with --dry-run: nothing to do), 2 --dry-run found changes, 3 taken over, but something of',
      "kube-proxy is left, or it runs and writes it again, 1 something could not be applied, and kube-proxy's rules stay,",
      '64 bad usage or bad manifests, 130 or 143 interrupted.',
    ],
  },
  cleanup: {
    summary: 'remove exactly what kube-ipvs made: its virtual services, its packet filter, and kube-ipvs0',
    usage: '[flags]',
    help: [
      "Ours is all of kube-ipvs0, kube-proxy's there too, and what our set `services` names. Other virtual services, fwmark",
      'services and addresses of other devices stay. End the daemon first.',
      'With --release only our tables of the packet filter go, and kube-proxy takes over what stays: start kube-proxy first.',
      'Exit status: 0 clean (with --dry-run: nothing to do), 2 --dry-run found changes, 3 a daemon runs and makes it again, or',
      '--release keeps something for as long as kube-proxy is not there, 1 something could not be removed, 64 bad usage.',
    ],
  },
  explain: {
    summary: 'say what becomes of connections to an address, and why',
    usage: 'ADDRESS:PORT[/PROTOCOL] [flags]',
    help: [
      'Of one virtual service: which Service asks for it, which endpoints take its traffic and why others do not, what the',
      'packet filter does for whom, and where the kernel has something else. Without a protocol it is TCP; IPv6 is written',
      'as [fd00::1]:80. Reads the cluster, or --manifests, and the kernel as reconcile does, and changes nothing.',
      'Exit status: 0 explained, also where nobody claims the address, 1 an object could not be read, or nothing can be',
      'told, 64 bad usage or bad manifests, 130 or 143 interrupted.',
    ],
    operand: {
      name: 'ADDRESS:PORT',
      required: true,
      choices: [],
      fits: (word) => parseVirtualServiceKey(word) !== undefined,
      example: '10.96.0.1:443, [fd00::1]:53/UDP',
    },
  },
  doctor: {
    summary: 'say what is wrong with this node, or with its access to the API server, and what to do about it',
    usage: '[flags]',
    help: [
      'Looks at the kernel and its modules, at settings, privileges, devices, other proxies, and asks the API server what',
      "the daemon asks. Takes run's --config, and its flags that say what is served and what the kernel should have.",
      'Changes nothing and loads no module.',
      'Exit status: 0 no check failed (there may be warnings), 1 a check failed, 64 bad usage or a bad file,',
      '130 interrupted.',
    ],
  },
  completion: {
    summary: 'print a completion script for a shell',
    usage: shells.join('|'),
    help: ['For bash: source <(kube-ipvs completion bash)', 'For fish: kube-ipvs completion fish | source'],
    operand: { name: 'shell', required: true, choices: shells },
  },
  version: { summary: 'print the version', usage: '[flags]', help: [] },
  help: {
    summary: 'print help, of one command when named',
    usage: '[command]',
    help: [],
    operand: { name: 'command', required: false, choices: commandNames },
  },
};

export function isCommand(word: string): word is CommandName {
  return Object.hasOwn(commandTable, word);
}
