/** What deploy/kube-ipvs.yaml says, as far as tests look at it. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { load, loadAll } from 'js-yaml';

export interface DeployedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

export interface ClusterRole extends DeployedObject {
  readonly rules: readonly PolicyRule[];
}

export interface ClusterRoleBinding extends DeployedObject {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[];
}

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly command?: readonly string[];
  readonly env: readonly unknown[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
}

export interface DaemonSet extends DeployedObject {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly updateStrategy: unknown;
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly [field: string]: unknown;
        readonly serviceAccountName: string;
        readonly initContainers: readonly [Container];
        readonly containers: readonly [Container];
        readonly volumes: readonly { readonly name: string }[];
      };
    };
  };
}

/** Tests run from dist/. */
export function repositoryPath(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

export function repositoryText(path: string): string {
  return readFileSync(repositoryPath(path), 'utf8');
}

export const deploymentFile = repositoryPath('deploy/kube-ipvs.yaml');

/** The DaemonSet of deploy/takeover.yaml, which is alone in it. */
export function takeoverDaemonSet(): DaemonSet {
  return load(repositoryText('deploy/takeover.yaml')) as DaemonSet;
}

/** All objects of the file; there is at most one of a kind. */
export function deployedObjects(): readonly DeployedObject[] {
  return loadAll(readFileSync(deploymentFile, 'utf8')) as DeployedObject[];
}

/** Throws when there is no such object. */
export function deployed(kind: 'DaemonSet'): DaemonSet;
export function deployed(kind: 'ClusterRole'): ClusterRole;
export function deployed(kind: 'ClusterRoleBinding'): ClusterRoleBinding;
export function deployed(kind: 'ServiceAccount'): DeployedObject;
export function deployed(kind: string): DeployedObject {
  const found = deployedObjects().find((object) => object.kind === kind);
  if (found === undefined) throw new Error(`there is no ${kind} in ${deploymentFile}`);
  return found;
}
