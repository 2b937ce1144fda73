/**
 * examples/sidecar: the agent beside a Collector that is there already. kubernetes.test.ts has the component for kustomize.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { variables } from '../../../../src/config/variables.ts';
import { startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { sampleDelivery, shipAll } from '../built-agent.ts';
import { startCollector } from '../collector.ts';
import { environmentOf, exampleDirectory, loadComposeFiles } from './compose.ts';
import { blocksOf, commandsOf } from './guide.ts';

test('Compose merges the agent into the project of a Collector, and the agent ships through it', async () => {
  const project = join(temporaryDirectory(), 'project');
  mkdirSync(project);
  writeFileSync(
    join(project, 'compose.yaml'),
    'name: mine\nservices: {collector: {image: otel/opentelemetry-collector-contrib}}\n',
  );
  const [command = ''] = commandsOf('getting-started-sidecar').filter((each) => each.startsWith('docker compose'));
  const files = [...command.matchAll(/--file (\S+)/g)].map(([, path = '']) =>
    path.replace('databricks-audit-otel/examples/sidecar/', exampleDirectory('sidecar')),
  );
  expect(files).toHaveLength(2);
  const { services, volumes } = loadComposeFiles(project, files, { DATABRICKS_AUDIT_SOURCE: 's3://bucket' });
  expect(Object.keys(services).toSorted()).toEqual(['collector', 'databricks-audit-otel']);
  const agent = services['databricks-audit-otel'];
  if (agent === undefined) throw new Error('unreachable');
  // Compose takes paths in all files from the folder of the first one. There the guide clones this repository.
  expect(agent.build?.context).toBe(join(project, 'databricks-audit-otel'));
  expect(command).toMatch(/ up --detach --build$/);
  expect(agent.network_mode).toBe('service:collector');
  expect(agent.volumes.map(({ source, target }) => [source, target])).toEqual([['databricks-audit-state', '/state']]);
  expect(volumes).toHaveProperty('databricks-audit-state');

  const backend = await startOtlpReceiver();
  onTestFinished(() => backend.close());
  const collector = await startCollector({ exporters: { otlp_http: { endpoint: backend.url } } });
  const environment = environmentOf(agent);
  expect(environment.OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://127.0.0.1:4318');
  await shipAll({
    ...environment,
    DATABRICKS_AUDIT_SOURCE: sampleDelivery,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  });
  await expect.poll(() => backend.accepted.length, { timeout: 60_000 }).toBe(15);
});

test("the values for the Collector's chart are ones that it has, and give the agent what it needs", () => {
  const values = parse(readFileSync(join(exampleDirectory('sidecar'), 'collector-chart.yaml'), 'utf8'));
  // Of version 0.170.0, with which they were rendered.
  const known = ['extraContainers', 'mode', 'podSecurityContext', 'replicaCount', 'serviceAccount', 'statefulset'];
  expect(Object.keys(values).toSorted()).toEqual(known);
  expect(values).toMatchObject({ mode: 'statefulset', replicaCount: 1 });
  const [agent] = z
    .array(
      z.object({
        env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
        volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
      }),
    )
    .parse(values.extraContainers);
  const names = agent?.env.map(({ name }) => name) ?? [];
  expect(names.filter((name) => !(name in variables) && name !== 'POD_IP' && !name.startsWith('AWS_'))).toEqual([]);
  // Kubernetes replaces $(POD_IP) only if that variable comes first.
  expect(names.indexOf('POD_IP')).toBeLessThan(names.indexOf('OTEL_EXPORTER_OTLP_ENDPOINT'));
  const [claim] = values.statefulset.volumeClaimTemplates;
  expect(agent?.volumeMounts).toEqual([{ name: claim.metadata.name, mountPath: '/state' }]);
});

test('the guide builds the image, and deletes the StatefulSet before Helm gives it another claim', () => {
  const commands = commandsOf('getting-started-sidecar');
  const image = z.object({ extraContainers: z.tuple([z.object({ image: z.string() })]) });
  const values = readFileSync(join(exampleDirectory('sidecar'), 'collector-chart.yaml'), 'utf8');
  const [agent] = image.parse(parse(values)).extraContainers;
  const at = (text: string) => commands.findIndex((command) => command.startsWith(text));
  expect(commands[at('docker build')]).toBe(`docker build --tag ${agent.image} .`);
  expect(commands[at('docker push')]).toBe(`docker push ${agent.image}`);
  const deletion = at('kubectl delete statefulset');
  // The name that the chart gives it.
  expect(commands[deletion]).toBe('kubectl delete statefulset my-collector-opentelemetry-collector --cascade=orphan');
  expect(commands[deletion + 1]).toMatch(/^helm upgrade my-collector /);
});

test("the Collector accepts the guide's receiver", () => {
  const [receivers = ''] = blocksOf('getting-started-sidecar', 'yaml');
  const [job] = parse(receivers).receivers.prometheus.config.scrape_configs;
  expect(job.static_configs).toEqual([{ targets: ['127.0.0.1:9464'] }]);
});

test("a Prometheus in the Compose project scrapes the agent by the Collector's name, to which the agent answers", () => {
  const [, scrape = ''] = blocksOf('getting-started-sidecar', 'yaml');
  const [job] = parse(scrape).scrape_configs;
  expect(job.static_configs).toEqual([{ targets: ['collector:9464'] }]);
  const { services } = parse(readFileSync(join(exampleDirectory('sidecar'), 'compose.yaml'), 'utf8'));
  const agent = services['databricks-audit-otel'];
  expect(agent.network_mode).toBe('service:collector');
  expect(agent.environment.DATABRICKS_AUDIT_HTTP_HOSTS).toBe('collector');
});
