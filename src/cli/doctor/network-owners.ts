/** Whether systemd-networkd or NetworkManager would take kube-ipvs0 for theirs: they remove addresses that they did not give. */

import { basename } from 'node:path';
import { deviceName } from '../../model/op.ts';
import { type Finding, fail, ok, warn } from './finding.ts';
import { lastOf, matchesGlob, type Section, sectionsOf } from './sections.ts';

export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

export interface NetworkdFacts {
  /** *.network, each name once, in the order in which they are tried. */
  readonly units: readonly ConfigFile[];
  /** It has a folder below /run. */
  readonly isRunning: boolean;
  /** What it says of kube-ipvs0 (/run/systemd/netif/links/INDEX); undefined where it says nothing. */
  readonly link: string | undefined;
}

export interface NetworkManagerFacts {
  /** Its configuration in the order in which it is read: what comes later counts. */
  readonly files: readonly ConfigFile[];
  readonly isRunning: boolean;
  /** What it says of kube-ipvs0 (/run/NetworkManager/devices/INDEX); undefined where it says nothing. */
  readonly device: string | undefined;
}

/** A unit of its own that is tried before the one which takes the device: the first by name that matches counts. */
function networkdCure(taking: ConfigFile | undefined): string {
  const isSoonEnough = taking === undefined || `00-${deviceName}.network` <= basename(taking.path);
  const unit = `/etc/systemd/network/${isSoonEnough ? '00' : ''}-${deviceName}.network`;
  return `printf '[Match]\\nName=${deviceName}\\n[Link]\\nUnmanaged=yes\\n' > ${unit}; networkctl reload`;
}

export function networkdFinding({ units, isRunning, link }: NetworkdFacts): Finding {
  const check = 'systemd-networkd';
  const state = link === undefined ? undefined : /^ADMIN_STATE=(.*)$/m.exec(link)?.[1];
  const unit = units.find(({ text }) => matchesDevice(sectionsOf(text)));
  const isLeft = unit !== undefined && isYes(lastOf(sectionsOf(unit.text), 'Link', 'Unmanaged'));
  const cure = networkdCure(unit);
  if (state !== undefined && state !== 'unmanaged') {
    return fail(check, `it manages ${deviceName} (${state}), and removes addresses that it did not give`, cure);
  }
  if (unit === undefined) return ok(check, `no unit of it is for ${deviceName}`);
  if (isLeft) return ok(check, `${unit.path} leaves ${deviceName} alone`);
  const message = `${unit.path} is for ${deviceName} too, whose addresses it would remove`;
  return isRunning ? fail(check, message, cure) : warn(check, `${message}; it does not run now`, cure);
}

/**
 * Of [Match] in systemd.network(5), for a dummy device without hardware; what concerns the whole machine counts as given. A key that comes
 * again adds to its list, and empties it without a value (config_parse_match_ifnames in src/shared/net-condition.c of systemd 252). A unit
 * that asks for nothing is for no device (network_verify in src/network/networkd-network.c).
 */
function matchesDevice(sections: readonly Section[]): boolean {
  const lists = new Map<string, readonly string[]>();
  for (const [key, value] of sections.filter(({ name }) => name === 'Match').flatMap(({ entries }) => entries)) {
    lists.set(key, value === '' ? [] : [...(lists.get(key) ?? []), ...patternsOf(value)]);
  }
  const asked = [...lists].filter(([, patterns]) => patterns.length > 0);
  return asked.length > 0 && asked.every(([key, patterns]) => matchesKey(key, patterns));
}

/** `!` in front of the first word is for all of the line. */
function patternsOf(value: string): string[] {
  const words = value.split(/\s+/);
  return value.startsWith('!') ? words.map((word) => `!${word.replace(/^!/, '')}`) : words;
}

const ofDevice: ReadonlyMap<string, readonly string[]> = new Map([
  ['Name', [deviceName]],
  ['OriginalName', [deviceName]],
  ['Type', ['ether']],
  ['Kind', ['dummy']],
  ['Driver', ['dummy']],
]);
/** A dummy device has nothing of these that anybody would write. */
const ofHardware: ReadonlySet<string> = new Set(
  'MACAddress PermanentMACAddress Path Property WLANInterfaceType SSID BSSID'.split(' '),
);

function matchesKey(key: string, patterns: readonly string[]): boolean {
  if (ofHardware.has(key)) return patterns.length === 0;
  const names = ofDevice.get(key);
  if (names === undefined) return true;
  return isAmong(patterns, '!', (pattern) => names.some((name) => matchesGlob(pattern, name)));
}

/** In a list the device is not what an exception meets, whatever else does; a list of exceptions only has all others. */
function isAmong(list: readonly string[], exception: string, isMet: (pattern: string) => boolean): boolean {
  const exceptions = list.filter((pattern) => pattern.startsWith(exception));
  if (exceptions.some((pattern) => isMet(pattern.slice(exception.length)))) return false;
  if (exceptions.length === list.length) return list.length > 0;
  return list.some((pattern) => !pattern.startsWith(exception) && isMet(pattern));
}

/** Behind the files of CNI plugins (calico.conf, rke2-canal.conf), which say their own list anew. */
const networkManagerCure = `printf '[keyfile]\\nunmanaged-devices+=interface-name:${deviceName}\\n' > /etc/NetworkManager/conf.d/zz-${deviceName}.conf; nmcli general reload`;

export function networkManagerFinding({ files, isRunning, device }: NetworkManagerFacts): Finding {
  const check = 'network-manager';
  if (device !== undefined && isYes(lastOf(sectionsOf(device), 'device', 'managed'))) {
    return fail(check, `it manages ${deviceName}, and removes addresses that it did not give`, networkManagerCure);
  }
  if (files.length === 0 && !isRunning) return ok(check, 'it is not here');
  const management = managementOf(files.map(({ text }) => sectionsOf(text)));
  switch (management) {
    case 'left':
      return ok(check, `its configuration leaves ${deviceName} alone`);
    case 'taken':
      return (isRunning ? fail : warn)(
        check,
        `its configuration has it manage ${deviceName} ([device] managed=1), whose addresses it would remove`,
        networkManagerCure,
      );
    case 'unsaid':
      return warn(
        check,
        `nothing tells it to leave ${deviceName} alone; it manages no device that is down, but would manage this one if it were set up`,
        networkManagerCure,
      );
    default:
      return management satisfies never;
  }
}

/** Of NetworkManager.conf(5): keyfile.unmanaged-devices, and managed of the sections [device…] that match. `files` as they are read. */
function managementOf(files: readonly (readonly Section[])[]): 'left' | 'taken' | 'unsaid' {
  let unmanaged = '';
  for (const { entries } of files.flat().filter(({ name }) => name === 'keyfile')) {
    const values = new Map(entries);
    unmanaged = values.get('unmanaged-devices') ?? unmanaged;
    const more = values.get('unmanaged-devices+');
    if (more !== undefined) unmanaged = `${unmanaged};${more}`;
  }
  const managed = managedOf(files);
  if (matchesSpecs(unmanaged) || managed === false) return 'left';
  return managed === true ? 'taken' : 'unsaid';
}

/** The first section that matches and says it: of the file that is read last, there from the top, and [device] itself in the end. */
function managedOf(files: readonly (readonly Section[])[]): boolean | undefined {
  const sections = files.toReversed().flat();
  const named = sections.filter(({ name }) => name.startsWith('device') && name !== 'device');
  for (const { entries } of [...named, ...sections.filter(({ name }) => name === 'device')]) {
    const values = new Map(entries);
    if (!matchesSpecs(values.get('match-device') ?? '*')) continue;
    const said = values.get('managed');
    if (said !== undefined) return isYes(said);
    if (isYes(values.get('stop-match'))) return undefined;
  }
  return undefined;
}

/** A list of devices. */
function matchesSpecs(list: string): boolean {
  const specs = list.split(/[;,\s]+/).filter((spec) => spec !== '');
  return isAmong(specs, 'except:', matchesSpec);
}

function matchesSpec(spec: string): boolean {
  if (spec === '*') return true;
  const [, kind, value] = /^(type|driver):(.*)$/.exec(spec) ?? [];
  if (kind !== undefined) return value === 'dummy';
  return matchesGlob(spec.replace(/^interface-name:/, '').replace(/^[=~]/, ''), deviceName);
}

function isYes(value: string | undefined): boolean {
  return value !== undefined && /^(1|yes|true|on)$/i.test(value);
}
