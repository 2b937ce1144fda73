/**
 * examples/kubernetes, copied as the guide says and rendered by kustomize: the overlays are valid for Kubernetes, and their
 * containers, run as processes with the environment and the files of the pod, ship a delivery.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { variables } from '../../../../src/config/variables.ts';
import { startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { runBuiltAgent, sampleDelivery } from '../built-agent.ts';
import { exampleDirectory, startExampleCollector } from './compose.ts';
import { type Container, kustomize, type Resources, validateResources } from './kubernetes-tools.ts';

const copy = mkdtempSync(join(tmpdir(), 'databricks-audit-otel-'));
afterAll(() => rmSync(copy, { recursive: true }));
cpSync(exampleDirectory('kubernetes'), copy, { recursive: true });

const overlay = (name: string) => kustomize(join(copy, 'overlays', name));
const overlays = ['production', 'replicas', 'sidecar'];
const restricted = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

describe.each(overlays)('the overlay %s', (name) => {
  const agentName = name === 'sidecar' ? 'databricks-audit-otel' : 'agent';

  test('is valid for Kubernetes, without unknown fields', () => {
    validateResources(overlay(name));
  });

  test('conforms to the restricted pod security that its namespace enforces', () => {
    const resources = overlay(name);
    const pod = resources.workload().spec.template.spec;
    expect(resources.container(agentName).securityContext).toMatchObject(restricted);
    if (name === 'sidecar') return; // The rest of the pod is the user's.
    expect(resources.find('Namespace')[0].metadata.labels).toMatchObject({
      'pod-security.kubernetes.io/enforce': 'restricted',
    });
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const each of [...pod.initContainers, ...pod.containers]) expect(each.securityContext).toEqual(restricted);
  });

  test('has a role for the service account of the pod', () => {
    const resources = overlay(name);
    const [account] = resources.find('ServiceAccount');
    expect(account.metadata.name).toBe(resources.workload().spec.template.spec.serviceAccountName);
    expect(account.metadata.annotations['eks.amazonaws.com/role-arn']).toMatch(/^arn:aws:iam::\d{12}:role\//);
  });

  test('sets only variables that the agent knows, and the image', () => {
    const resources = overlay(name);
    const agent = resources.container(agentName);
    const ours = Object.keys(resources.environmentOf(agent)).filter((each) => !each.startsWith('AWS_'));
    expect(ours.filter((each) => !(each in variables))).toEqual([]);
    expect(ours).toEqual(expect.arrayContaining(['DATABRICKS_AUDIT_SOURCE', 'OTEL_EXPORTER_OTLP_ENDPOINT']));
    expect(resources.environmentOf(agent).DATABRICKS_AUDIT_SOURCE).toBe('s3://example-audit-logs/databricks');
    expect(agent.image).toBe('registry.example.com/databricks-audit-otel:0.1.0');
  });
});

test('the service account that Terraform trusts by default is that of the base', () => {
  const [account] = overlay('production').find('ServiceAccount');
  const terraform = readFileSync(join(exampleDirectory('aws'), 'variables.tf'), 'utf8');
  expect(terraform).toContain(`"${account.metadata.namespace}:${account.metadata.name}"`);
});

test('with a volume there is one agent, and a new pod waits for the old one to end', () => {
  const { replicas, strategy } = overlay('production').workload().spec;
  expect({ replicas, strategy }).toEqual({ replicas: 1, strategy: { type: 'Recreate' } });
  const resources = overlay('production');
  const agent = resources.container('agent');
  const { DATABRICKS_AUDIT_STATE: state } = resources.environmentOf(agent);
  expect(agent.volumeMounts.map(({ mountPath }) => mountPath)).toContain(state);
  const [claim] = resources.find('PersistentVolumeClaim');
  expect(claim.spec).toMatchObject({ storageClassName: 'gp3', resources: { requests: { storage: '50Gi' } } });
});

test('with a shared state there are two agents without a volume, spread out, and one may be down', () => {
  const resources = overlay('replicas');
  const { replicas, strategy, selector, template } = resources.workload().spec;
  expect(replicas).toBe(2);
  expect(strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } });
  expect(template.spec.volumes).toEqual([]);
  expect(template.spec.terminationGracePeriodSeconds).toBe(30);
  expect(template.spec.topologySpreadConstraints).toMatchObject(
    ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].map((topologyKey) => ({
      topologyKey,
      labelSelector: selector,
    })),
  );
  expect(resources.find('PodDisruptionBudget')[0].spec).toMatchObject({ minAvailable: 1, selector });
  const environment = resources.environmentOf(resources.container('agent'));
  expect(environment.DATABRICKS_AUDIT_STATE).toMatch(/^dynamodb:\/\//);
  expect(environment.DATABRICKS_AUDIT_DEAD_LETTERS).toMatch(/^s3:\/\//);
});

test('the network policy permits what hands out credentials, and the ports of the Collector', () => {
  const [{ spec }] = overlay('replicas').find('NetworkPolicy');
  const peers = spec.egress.flatMap(({ to = [] }) => to).flatMap(({ ipBlock }: { ipBlock?: object }) => ipBlock ?? []);
  expect(peers).toEqual(expect.arrayContaining([{ cidr: '169.254.170.23/32' }, { cidr: '169.254.169.254/32' }]));
  expect(spec.egress.at(-1).ports).toContainEqual({ port: 4317, endPort: 4318, protocol: 'TCP' });
});

test('the sidecar keeps the pod that was there, and adds the agent with a volume of its own', () => {
  const before = kustomizeOnly(['../overlays/sidecar/collector.yaml']);
  const after = overlay('sidecar');
  const names = (of: Resources) => of.workload().spec.template.spec.containers.map((each) => each.name);
  expect(names(before)).toEqual(['collector']);
  expect(names(after).toSorted()).toEqual(['collector', 'databricks-audit-otel']);
  expect(after.container('collector')).toEqual(before.container('collector'));
  const agent = after.container('databricks-audit-otel');
  const claims = after.workload().spec.volumeClaimTemplates.map(({ metadata }) => metadata.name);
  expect(claims).toEqual(['queue', agent.volumeMounts[0]?.name]);
  const { DATABRICKS_AUDIT_STATE: state = '' } = after.environmentOf(agent);
  expect(state.startsWith(`${agent.volumeMounts[0]?.mountPath}/`)).toBe(true);
});

test('the component for the Prometheus Operator selects the agents', () => {
  const resources = kustomizeOnly(['../base'], ['../components/volume', '../components/pod-monitor']);
  validateResources(resources);
  const { selector, podMetricsEndpoints } = resources.find('PodMonitor')[0].spec;
  expect(selector).toEqual(resources.workload().spec.selector);
  expect(podMetricsEndpoints[0].port).toBe('http');
});

describe('ships a delivery', () => {
  test('through the Collector of its pod', async () => {
    const resources = overlay('production');
    const collector = resources.container('collector');
    expect(collector.restartPolicy).toBe('Always');
    const delivered = await shipThrough(resources, collector, resources.container('agent'));
    expect(delivered).toBe(15);
  });

  test('through the Collector that was in the pod before', async () => {
    const resources = overlay('sidecar');
    const delivered = await shipThrough(
      resources,
      resources.container('collector'),
      resources.container('databricks-audit-otel'),
    );
    expect(delivered).toBe(15);
  });
});

/** Runs both containers as processes. @returns the number of records that arrived at the backend. */
async function shipThrough(resources: Resources, collector: Container, agent: Container): Promise<number> {
  const backend = await startOtlpReceiver();
  onTestFinished(() => backend.close());
  const { volumes } = resources.workload().spec.template.spec;
  const mount = collector.volumeMounts.find(({ mountPath }) => mountPath === '/etc/otelcol');
  const map = volumes.find(({ name }) => name === mount?.name)?.configMap?.name ?? '';
  expect(collector.args).toEqual(['--config=/etc/otelcol/collector.yaml']);
  const text = resources.configMapOf(map)['collector.yaml'] ?? '';
  const file = join(temporaryDirectory(), 'collector.yaml');
  writeFileSync(
    file,
    text
      .replace(/\b(127\.0\.0\.1|0\.0\.0\.0):4318/, '0.0.0.0:4318')
      .replace('0.0.0.0:13133', '127.0.0.1:0')
      .replace('endpoint: http://loki-gateway.loki.svc/otlp', `endpoint: ${backend.url}`)
      .replace('/var/lib/otelcol', temporaryDirectory()),
  );
  const environment = { ...resources.environmentOf(collector), LOKI_URL: backend.url };
  const running = await startExampleCollector('collector', file, {}, { environment });
  const ofAgent = resources.environmentOf(agent);
  expect(ofAgent.OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://127.0.0.1:4318');
  const shipped = await runBuiltAgent(['ship'], {
    ...ofAgent,
    DATABRICKS_AUDIT_SOURCE: sampleDelivery,
    DATABRICKS_AUDIT_START: 'earliest',
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    OTEL_EXPORTER_OTLP_ENDPOINT: running.url,
  });
  expect(shipped, shipped.stderr).toMatchObject({ code: 0 });
  await expect.poll(() => backend.accepted.length, { timeout: 60_000 }).toBe(15);
  return backend.accepted.length;
}

/** Renders these resources and components alone, as paths from a folder beside `overlays`. */
function kustomizeOnly(resources: readonly string[], components: readonly string[] = []): Resources {
  const folder = mkdtempSync(join(copy, 'test-'));
  // kustomize does not load files from outside its folder, so files are copied.
  const local = resources.map((path) => {
    if (!path.endsWith('.yaml')) return path;
    cpSync(join(folder, path), join(folder, 'resource.yaml'));
    return 'resource.yaml';
  });
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify({ resources: local, components }));
  return kustomize(folder);
}
