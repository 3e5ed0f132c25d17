/** Settings that a node wants: one that Services need, and connection tracking's limits, which a container cannot write. */

import type { WantedSetting } from '../../src/model/node-state.ts';

export const conntrack: WantedSetting = {
  name: 'net/ipv4/vs/conntrack',
  value: '1',
  when: 'different',
  required: true,
};

export const limit: WantedSetting = {
  name: 'net/netfilter/nf_conntrack_max',
  value: '131072',
  when: 'different',
  required: false,
};

export const hashsize: WantedSetting = {
  name: 'module/nf_conntrack/parameters/hashsize',
  value: '32768',
  when: 'smaller',
  required: false,
};
