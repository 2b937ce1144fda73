/**
 * examples/kubernetes, rendered by kustomize: it is valid for Kubernetes and allowed in a namespace with restricted pod security. Its
 * two containers, run as processes with the environment and the files of the pod, ship a delivery.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { variables } from '../../../../src/config/variables.ts';
import { startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { runBuiltAgent, sampleDelivery } from '../built-agent.ts';
import { serverDirectory } from '../recipes.ts';
import { freePort, startServer } from '../server-process.ts';
import { exampleDirectory } from './compose.ts';

const kubernetesVersions = ['1.33', '1.37'];

const container = z.object({
  name: z.string(),
  restartPolicy: z.string().optional(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
  envFrom: z.array(z.object({ configMapRef: z.object({ name: z.string() }) })).default([]),
  securityContext: z.unknown(),
  livenessProbe: z.object({ httpGet: z.object({ path: z.string(), port: z.union([z.string(), z.number()]) }) }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
});
const deployment = z.object({
  spec: z.object({
    replicas: z.literal(1),
    strategy: z.object({ type: z.literal('Recreate') }),
    template: z.object({
      spec: z.object({
        serviceAccountName: z.string(),
        securityContext: z.unknown(),
        initContainers: z.tuple([container]),
        containers: z.tuple([container]),
        volumes: z.array(z.object({ name: z.string(), configMap: z.object({ name: z.string() }).optional() })),
      }),
    }),
  }),
});
const configMap = z.object({ metadata: z.object({ name: z.string() }), data: z.record(z.string(), z.string()) });
type Container = z.infer<typeof container>;

const rendered = Object.fromEntries(['base', 'overlays/production'].map((folder) => [folder, render(folder)]));

describe.each(Object.entries(rendered))('%s', (_, yaml) => {
  const resources = parseAllDocuments(yaml).map((document) => document.toJS());
  const find = (kind: string) => resources.filter((resource) => resource.kind === kind);
  const pod = deployment.parse(find('Deployment')[0]).spec.template.spec;
  const configMaps = find('ConfigMap').map((resource) => configMap.parse(resource));

  test.each(kubernetesVersions)('is valid for Kubernetes %s, without unknown fields', (version) => {
    const file = join(temporaryDirectory(), 'rendered.yaml');
    writeFileSync(file, yaml);
    const python = join(serverDirectory('tools'), 'venv/bin/python');
    execFileSync(python, ['-m', 'kubernetes_validate', '--strict', '--quiet', '-k', version, file], { stdio: 'pipe' });
  });

  test('conforms to the restricted pod security that its namespace enforces', () => {
    expect(find('Namespace')[0].metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const { securityContext } of [...pod.initContainers, ...pod.containers]) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  test('has a role for the service account of the pod, and a policy for its network', () => {
    const [account] = find('ServiceAccount');
    expect(account.metadata.name).toBe(pod.serviceAccountName);
    expect(account.metadata.annotations['eks.amazonaws.com/role-arn']).toMatch(/^arn:aws:iam::\d{12}:role\//);
    expect(`${account.metadata.namespace}:${account.metadata.name}`).toBe('databricks-audit:databricks-audit-otel');
    expect(find('NetworkPolicy')[0].spec.policyTypes).toEqual(['Ingress', 'Egress']);
  });

  test('sets only variables that the agent knows', () => {
    const ours = Object.keys(environmentOf(pod.containers[0])).filter((name) => !name.startsWith('AWS_'));
    expect(ours.filter((name) => !(name in variables))).toEqual([]);
  });

  test('ships a delivery through its Collector', async () => {
    const backend = await startOtlpReceiver();
    onTestFinished(() => backend.close());
    const [agent] = pod.containers;
    const [collector] = pod.initContainers;
    expect(collector.restartPolicy).toBe('Always');
    const port = await startCollector(collector, backend.url);
    const environment = environmentOf(agent);
    expect(environment.OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://127.0.0.1:4318');
    expect(agent.volumeMounts.map(({ mountPath }) => mountPath)).toContain(environment.DATABRICKS_AUDIT_STATE);
    const shipped = await runBuiltAgent(['ship'], {
      ...environment,
      DATABRICKS_AUDIT_SOURCE: sampleDelivery,
      DATABRICKS_AUDIT_START: 'earliest',
      DATABRICKS_AUDIT_STATE: temporaryDirectory(),
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    });
    expect(shipped, shipped.stderr).toMatchObject({ code: 0 });
    await expect.poll(() => backend.accepted.length, { timeout: 60_000 }).toBe(15);
  });

  /** @returns the port on which it accepts OTLP. */
  async function startCollector(of: Container, backendUrl: string): Promise<number> {
    const { name } = pod.volumes.find((volume) => volume.name === 'collector-configuration')?.configMap ?? {};
    const text = configMaps.find((map) => map.metadata.name === name)?.data['collector.yaml'] ?? '';
    const [port, healthPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
    const file = join(temporaryDirectory(), 'collector.yaml');
    const rewritten = text
      .replace('127.0.0.1:4318', `127.0.0.1:${port}`)
      .replace('0.0.0.0:13133', `127.0.0.1:${healthPort}`)
      .replace('/var/lib/otelcol', temporaryDirectory());
    writeFileSync(file, rewritten);
    expect(of.livenessProbe.httpGet).toEqual({ path: '/', port: 13133 });
    const reader = `{pull: {exporter: {prometheus: {host: 127.0.0.1, port: ${metricsPort}}}}}`;
    await startServer({
      command: join(serverDirectory('collector'), 'otelcol'),
      arguments: ['--config', file, '--config', `yaml:service::telemetry::metrics::readers: [${reader}]`],
      environment: { ...environmentOf(of), LOKI_URL: backendUrl },
      readyUrl: `http://127.0.0.1:${healthPort}/`,
    });
    return port;
  }

  function environmentOf({ env, envFrom }: Container): Record<string, string> {
    const names = envFrom.map(({ configMapRef }) => configMapRef.name);
    const maps = configMaps.filter(({ metadata }) => names.includes(metadata.name));
    expect(maps).toHaveLength(names.length);
    const own = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    return Object.assign({}, ...maps.map(({ data }) => data), own);
  }
});

test('the overlay changes source, role, image and volume', () => {
  expect(rendered['overlays/production']).toContain('DATABRICKS_AUDIT_SOURCE: s3://example-audit-logs/databricks');
  expect(rendered['overlays/production']).toContain('arn:aws:iam::444455556666:role/databricks-audit-otel');
  expect(rendered['overlays/production']).toContain('image: registry.example.com/databricks-audit-otel:0.1.0');
  expect(rendered['overlays/production']).toContain('storage: 50Gi');
});

function render(folder: string): string {
  const kustomize = join(serverDirectory('tools'), 'bin/kustomize');
  return execFileSync(kustomize, ['build', folder], { cwd: exampleDirectory('kubernetes'), encoding: 'utf8' });
}
