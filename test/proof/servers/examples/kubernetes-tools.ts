/**
 * What users render Kubernetes resources with, kustomize and Helm, and what tells whether the result is valid: kubeconform for
 * Kubernetes itself, and the types of the Prometheus Operator for its kinds.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { serverDirectory } from '../recipes.ts';

export const chartDirectory = fileURLToPath(new URL('../../../../charts/databricks-audit-otel/', import.meta.url));

/** The oldest that the chart allows, and the newest that has schemas. */
const kubernetesVersions = ['1.29.0', '1.37.0'];

const envEntry = z.object({ name: z.string(), value: z.string().optional(), valueFrom: z.unknown().optional() });
const envSource = z.object({
  configMapRef: z.object({ name: z.string() }).optional(),
  secretRef: z.object({ name: z.string() }).optional(),
});
const container = z.object({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()).default([]),
  restartPolicy: z.string().optional(),
  env: z.array(envEntry).default([]),
  envFrom: z.array(envSource).default([]),
  securityContext: z.unknown().optional(),
  livenessProbe: z.unknown().optional(),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })).default([]),
});
const podSpec = z.object({
  serviceAccountName: z.string(),
  terminationGracePeriodSeconds: z.number(),
  securityContext: z.unknown().optional(),
  initContainers: z.array(container).default([]),
  containers: z.array(container),
  volumes: z
    .array(
      z.object({
        name: z.string(),
        configMap: z.object({ name: z.string() }).optional(),
        persistentVolumeClaim: z.object({ claimName: z.string() }).optional(),
      }),
    )
    .default([]),
  topologySpreadConstraints: z.array(z.unknown()).default([]),
});
const labels = z.record(z.string(), z.string());
const workload = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({
    replicas: z.number(),
    strategy: z.unknown().optional(),
    selector: z.object({ matchLabels: labels }),
    template: z.object({ metadata: z.object({ labels }), spec: podSpec }),
    volumeClaimTemplates: z.array(z.object({ metadata: z.object({ name: z.string() }) })).default([]),
  }),
});
const configMap = z.object({ metadata: z.object({ name: z.string() }), data: z.record(z.string(), z.string()) });

export type Container = z.infer<typeof container>;
export type Workload = z.infer<typeof workload>;

export type Resources = ReturnType<typeof parseResources>;

export function parseResources(yaml: string) {
  const all = parseAllDocuments(yaml)
    .map((document) => document.toJS())
    .filter((resource) => resource !== null);
  const find = (kind: string) => all.filter((resource) => resource.kind === kind);
  const configMapOf = (name: string) =>
    configMap.parse(find('ConfigMap').find(({ metadata }) => metadata.name === name)).data;
  return {
    yaml,
    all,
    find,
    /** The one Deployment or StatefulSet. */
    workload(): Workload {
      return workload.parse([...find('Deployment'), ...find('StatefulSet')][0]);
    },
    container(name: string): Container {
      const { initContainers, containers } = this.workload().spec.template.spec;
      const found = [...initContainers, ...containers].find((each) => each.name === name);
      if (found === undefined) throw new Error(`the pod has no container ${name}`);
      return found;
    },
    configMapOf,
    /** The literal values of its environment, config maps included. */
    environmentOf({ env, envFrom }: Container): Record<string, string> {
      const maps = envFrom.flatMap(({ configMapRef }) =>
        configMapRef === undefined ? [] : [configMapOf(configMapRef.name)],
      );
      const own = env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const]));
      return Object.assign({}, ...maps, Object.fromEntries(own));
    },
  };
}

/** @throws kustomize's own error. */
export function kustomize(folder: string): Resources {
  const program = join(serverDirectory('tools'), 'bin/kustomize');
  return parseResources(execFileSync(program, ['build', folder], { encoding: 'utf8', stdio: 'pipe' }));
}

/** Runs Helm in a home of its own. @throws with what Helm printed. */
export function helm(words: readonly string[]): string {
  const home = temporaryDirectory();
  const program = join(serverDirectory('tools'), 'bin/helm');
  const env = { PATH: process.env.PATH, HOME: home, XDG_CACHE_HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home };
  return execFileSync(program, words, { env, encoding: 'utf8', stdio: 'pipe' });
}

export function helmTemplate(options: readonly string[], chart = chartDirectory): Resources {
  return parseResources(helm(['template', 'audit', chart, '--namespace', 'databricks-audit', ...options]));
}

/** Unknown fields are an error. @throws with what is invalid. */
export function validateResources({ yaml }: Pick<Resources, 'yaml'>): void {
  const directory = serverDirectory('tools');
  const location = join(directory, 'schemas/{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json');
  const run = (program: string, words: readonly string[]) => {
    try {
      return execFileSync(join(directory, 'bin', program), words, { input: yaml, encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      throw new Error(`${program}: ${stdout}${stderr}`, { cause: error });
    }
  };
  for (const version of kubernetesVersions) {
    const skipped = 'PodMonitor,ServiceMonitor,PrometheusRule';
    run('kubeconform', ['-strict', '-kubernetes-version', version, '-skip', skipped, '-schema-location', location]);
  }
  run('monitors', []);
}
