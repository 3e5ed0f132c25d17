/** The shapes of the objects whose every field counts here (k8s.io/api 1.36, types.go), and one for all others. */

import type { JsonObject } from './json.ts';
import { atomicMap, keyedList, list, map, openStruct, plain, type Shape, set, struct, value } from './shape.ts';

const ownerReference = struct({
  apiVersion: value,
  kind: value,
  name: value,
  uid: value,
  controller: value,
  blockOwnerDeletion: value,
});

export const objectMeta = struct({
  name: plain,
  generateName: plain,
  namespace: plain,
  selfLink: plain,
  uid: plain,
  resourceVersion: plain,
  generation: plain,
  creationTimestamp: value,
  deletionTimestamp: value,
  deletionGracePeriodSeconds: value,
  labels: map,
  annotations: map,
  ownerReferences: keyedList(ownerReference, ['uid']),
  finalizers: set,
  managedFields: list(
    struct({
      manager: plain,
      operation: plain,
      apiVersion: plain,
      time: value,
      fieldsType: plain,
      fieldsV1: value,
      subresource: plain,
    }),
  ),
});

const condition = openStruct({
  type: value,
  status: value,
  observedGeneration: plain,
  lastHeartbeatTime: value,
  lastTransitionTime: value,
  reason: plain,
  message: plain,
});

const servicePort = struct({
  name: plain,
  protocol: plain,
  appProtocol: value,
  port: value,
  targetPort: value,
  nodePort: plain,
});

const loadBalancer = struct({
  ingress: list(
    struct({
      ip: plain,
      hostname: plain,
      ipMode: value,
      ports: list(struct({ port: value, protocol: value, error: value })),
    }),
  ),
});

export const service: Shape = struct(
  {
    metadata: objectMeta,
    spec: struct({
      ports: keyedList(servicePort, ['port', 'protocol']),
      selector: atomicMap,
      clusterIP: plain,
      clusterIPs: list(value),
      type: plain,
      externalIPs: list(value),
      sessionAffinity: plain,
      loadBalancerIP: plain,
      loadBalancerSourceRanges: list(value),
      externalName: plain,
      externalTrafficPolicy: plain,
      healthCheckNodePort: plain,
      publishNotReadyAddresses: plain,
      sessionAffinityConfig: struct({ clientIP: struct({ timeoutSeconds: value }) }),
      ipFamilies: list(value),
      ipFamilyPolicy: value,
      allocateLoadBalancerNodePorts: value,
      loadBalancerClass: value,
      internalTrafficPolicy: value,
      trafficDistribution: value,
    }),
    status: struct({ loadBalancer, conditions: keyedList(condition, ['type']) }, { loadBalancer: {} }),
  },
  { spec: {}, status: { loadBalancer: {} } },
);

const endpoint = struct(
  {
    addresses: list(value),
    conditions: struct({ ready: value, serving: value, terminating: value }),
    hostname: value,
    targetRef: struct({
      kind: plain,
      namespace: plain,
      name: plain,
      uid: plain,
      apiVersion: plain,
      resourceVersion: plain,
      fieldPath: plain,
    }),
    deprecatedTopology: map,
    nodeName: value,
    zone: value,
    hints: struct({ forZones: list(struct({ name: value })), forNodes: list(struct({ name: value })) }),
  },
  { addresses: null, conditions: {} },
);

export const endpointSlice: Shape = struct(
  {
    metadata: objectMeta,
    addressType: value,
    endpoints: list(endpoint),
    ports: list(struct({ name: value, protocol: value, port: value, appProtocol: value })),
  },
  { addressType: '', endpoints: null, ports: null },
);

const nodeStatusZero: JsonObject = {
  daemonEndpoints: { kubeletEndpoint: { Port: 0 } },
  nodeInfo: {
    machineID: '',
    systemUUID: '',
    bootID: '',
    kernelVersion: '',
    osImage: '',
    containerRuntimeVersion: '',
    kubeletVersion: '',
    kubeProxyVersion: '',
    operatingSystem: '',
    architecture: '',
  },
};

export const node: Shape = struct(
  {
    metadata: objectMeta,
    spec: openStruct({
      podCIDR: plain,
      podCIDRs: set,
      providerID: plain,
      unschedulable: plain,
      // atomic: kubectl taint sends the whole list
      taints: list(struct({ key: value, value: plain, effect: value, timeAdded: value })),
    }),
    status: openStruct(
      {
        capacity: map,
        allocatable: map,
        phase: plain,
        conditions: keyedList(condition, ['type']),
        addresses: keyedList(struct({ type: value, address: value }), ['type']),
        daemonEndpoints: value,
        nodeInfo: value,
        images: list(value),
      },
      nodeStatusZero,
    ),
  },
  { spec: {}, status: nodeStatusZero },
);

const container = openStruct({
  name: value,
  ports: keyedList(value, ['containerPort', 'protocol']),
  env: keyedList(value, ['name']),
  volumeMounts: keyedList(value, ['mountPath']),
});

const podSpec = openStruct({
  volumes: keyedList(value, ['name']),
  initContainers: keyedList(container, ['name']),
  containers: keyedList(container, ['name']),
  nodeSelector: map,
  tolerations: list(value),
});

export const pod: Shape = openStruct({ metadata: objectMeta, spec: podSpec });

/** Deployments and DaemonSets. */
export const workload: Shape = openStruct({
  metadata: objectMeta,
  spec: openStruct({
    template: openStruct({ metadata: openStruct({ labels: map, annotations: map }), spec: podSpec }),
  }),
});

export const anything: Shape = openStruct({ metadata: objectMeta });
