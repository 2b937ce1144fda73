/**
 * examples/ecs: what Terraform would register as the task definition is valid for ECS, and its two containers, run as processes
 * with their environment, ship a delivery. The Collector of the task accepts nothing that the backend has not accepted.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from '@cdktn/hcl2json';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { variables } from '../../../../src/config/variables.ts';
import { answers, startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { sampleDelivery, shipAll, startBuiltAgent } from '../built-agent.ts';
import { startMoto } from '../moto.ts';
import { serverDirectory } from '../recipes.ts';
import { freePort, startServer } from '../server-process.ts';
import { exampleDirectory } from './compose.ts';
import { commandsOf } from './guide.ts';

const directory = exampleDirectory('ecs');
const read = (file: string) => readFileSync(join(directory, file), 'utf8');
const declaredIn = (text: string, kind: string) =>
  [...text.matchAll(new RegExp(`^${kind} "(\\w+)" \\{`, 'gm'))].map(([, name]) => name ?? '');

const pair = z.object({ name: z.string(), value: z.string() });
const container = z.object({
  name: z.string(),
  image: z.string(),
  command: z.array(z.string()),
  environment: z.array(pair),
  secrets: z.array(z.object({ name: z.string(), valueFrom: z.string() })).default([]),
});

describe('the Terraform files', () => {
  test('are valid HCL, and use only declared variables, and all of them', async () => {
    for (const file of ['main.tf', 'variables.tf']) await parse(file, read(file));
    const used = new Set([...read('main.tf').matchAll(/\bvar\.(\w+)/g)].map(([, name]) => name));
    expect([...used].toSorted()).toEqual(declaredIn(read('variables.tf'), 'variable').toSorted());
  });

  test('ask for a provider that has what they refer to', () => {
    // `region` of the data source aws_region is new in version 6 of the provider.
    expect(read('main.tf')).toContain('data.aws_region.current.region');
    expect(read('main.tf')).toMatch(/source += "hashicorp\/aws"\n +version = ">= 6\.0"/);
  });

  test('give the module for the role inputs that it declares, and use outputs that it has', async () => {
    const aws = ['main.tf', 'state.tf', 'variables.tf']
      .map((file) => readFileSync(join(exampleDirectory('aws'), file), 'utf8'))
      .join('\n');
    const { module } = z
      .object({ module: z.object({ agent: z.tuple([z.record(z.string(), z.unknown())]) }) })
      .parse(await parse('main.tf', read('main.tf')));
    const { source, ...inputs } = module.agent[0];
    expect(source).toBe('../aws');
    expect(inputs).toMatchObject({ trusted_service: 'ecs-tasks.amazonaws.com', shared_state: true });
    expect(Object.keys(inputs).filter((name) => !declaredIn(aws, 'variable').includes(name))).toEqual([]);
    const outputs = [...read('main.tf').matchAll(/module\.agent\.(\w+)/g)].map(([, name]) => name ?? '');
    expect(outputs.length).toBeGreaterThan(2);
    expect(outputs.filter((name) => !declaredIn(aws, 'output').includes(name))).toEqual([]);
  });

  test('are applied by the guide with every variable that has no default', () => {
    const [apply = ''] = commandsOf('getting-started-ecs').filter(
      (command) => command.startsWith('terraform') && command.includes(' apply '),
    );
    const given = [...apply.matchAll(/-var '?(\w+)=/g)].map(([, name]) => name ?? '');
    const blocks = read('variables.tf')
      .split(/^variable /m)
      .slice(1);
    const required = blocks.filter((block) => !block.includes('default ')).map((block) => /"(\w+)"/.exec(block)?.[1]);
    expect(given).toEqual(expect.arrayContaining(required));
    expect(given.filter((name) => !declaredIn(read('variables.tf'), 'variable').includes(name))).toEqual([]);
  });

  test('let the agent list, keep, read and delete dead letters', () => {
    const actions = [...read('main.tf').matchAll(/"(s3:\w+)"/g)].map(([, action]) => action);
    expect(actions).toEqual(['s3:ListBucket', 's3:PutObject', 's3:GetObject', 's3:DeleteObject']);
  });
});

describe('the task definition', () => {
  test('gets every value that it refers to', () => {
    const template = read('containers.json.tftpl');
    const referred = new Set([...template.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name));
    const [, given = ''] = /containers\.json\.tftpl", \{\n([\s\S]*?)\n {2}\}\)/.exec(read('main.tf')) ?? [];
    const names = [...given.matchAll(/^ +(\w+) +=/gm)].map(([, name]) => name);
    expect([...referred].toSorted()).toEqual(names.toSorted());
  });

  test('is valid for ECS', async () => {
    const { url, environment } = await startMoto();
    const definition = {
      family: 'databricks-audit-otel',
      requiresCompatibilities: ['FARGATE'],
      networkMode: 'awsvpc',
      cpu: '256',
      memory: '1024',
      containerDefinitions: JSON.parse(filledIn()),
    };
    // boto3 refuses parameters that ECS does not have.
    const program = [
      'import boto3, json, sys',
      `ecs = boto3.client("ecs", endpoint_url=${JSON.stringify(url)}, region_name="us-east-1")`,
      'print(ecs.register_task_definition(**json.load(sys.stdin))["taskDefinition"]["status"])',
    ].join('\n');
    const python = join(serverDirectory('moto'), 'venv', 'bin', 'python');
    const register = (input: object) =>
      execFileSync(python, ['-c', program], {
        input: JSON.stringify(input),
        encoding: 'utf8',
        env: { ...environment },
        stdio: 'pipe',
      });
    expect(register(definition)).toBe('ACTIVE\n');
    expect(() => register({ ...definition, containerDefinitions: [{ name: 'a', immage: 'b' }] })).toThrow('immage');
  });

  test('sets only variables that the agent knows, and has no secret in them', () => {
    const [agent, collector] = containers();
    const names = agent.environment.map(({ name }) => name).filter((name) => !name.startsWith('AWS_'));
    expect(names.filter((name) => !(name in variables))).toEqual([]);
    expect(collector.secrets.map(({ name }) => name)).toEqual(['BACKEND_AUTHORIZATION']);
    expect(environmentOf(agent)).toMatchObject({
      DATABRICKS_AUDIT_STATE: expect.stringMatching(/^dynamodb:\/\//),
      DATABRICKS_AUDIT_DEAD_LETTERS: expect.stringMatching(/^s3:\/\//),
    });
  });

  test('has the program of the image as its health check', () => {
    const dockerfile = readFileSync(new URL('../../../../Dockerfile', import.meta.url), 'utf8');
    const [agent] = JSON.parse(filledIn());
    expect(dockerfile).toContain(`CMD ${JSON.stringify(agent.healthCheck.command.slice(1)).replaceAll('","', '", "')}`);
  });
});

test('both containers ship a delivery with the credentials, and metrics as well', async () => {
  const backend = await startOtlpReceiver();
  onTestFinished(() => backend.close());
  const { agentEnvironment } = await startTask(backend.url);
  await shipAll({ ...agentEnvironment, OTEL_METRICS_EXPORTER: 'none' });
  expect(backend.accepted).toHaveLength(15);
  expect(new Set(backend.requests.map(({ headers }) => headers.authorization))).toEqual(new Set(['Basic abc']));
});

test('what the backend refuses is not accepted by the Collector, and arrives once the backend is back', async () => {
  const backend = await startOtlpReceiver();
  onTestFinished(() => backend.close());
  const allow = backend.answerWhen(() => true, answers.status(401, 'expired'));
  const { agentEnvironment, collector } = await startTask(backend.url);
  const agent = startBuiltAgent(['run'], { ...agentEnvironment, OTEL_METRICS_EXPORTER: 'none' });
  await expect.poll(() => agent.stderr, { timeout: 60_000 }).toContain('ERR_EXPORT_MISCONFIGURED');
  await collector.kill(); // With a queue, this would lose what it had acknowledged.
  await collector.start();
  allow();
  await expect.poll(() => backend.accepted.length, { timeout: 90_000 }).toBe(15);
  await agent.stop();
});

/** The containers with values in place of those of Terraform. */
function filledIn(): string {
  const values: Record<string, string> = {
    image: 'registry.example.com/databricks-audit-otel:0.1.0',
    source: 's3://audit/audit-logs/',
    start: 'earliest',
    state: 'dynamodb://databricks-audit-state',
    dead_letters: 's3://dead-letters/databricks',
    mapping: 'databricks-audit,loki',
    region: 'us-east-1',
    log_group: '/ecs/databricks-audit-otel',
    collector_configuration: JSON.stringify(read('collector.yaml')),
    backend_url: 'https://backend.example.com/otlp',
    backend_authorization_secret_arn:
      'arn:aws:secretsmanager:us-east-1:111122223333:secret:databricks-audit-otel-AbCdEf',
  };
  return read('containers.json.tftpl').replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${name} is not known`);
    return value;
  });
}

function containers() {
  return z.tuple([container, container]).parse(JSON.parse(filledIn()));
}

function environmentOf({ environment }: z.infer<typeof container>): Record<string, string> {
  return Object.fromEntries(environment.map(({ name, value }) => [name, value]));
}

async function startTask(backendUrl: string) {
  const [agent, collector] = containers();
  expect(collector.command).toEqual(['--config=env:COLLECTOR_CONFIGURATION']);
  const given = environmentOf(collector);
  const [port, metricsPort] = [await freePort(), await freePort()];
  const reader = `{pull: {exporter: {prometheus: {host: 127.0.0.1, port: ${metricsPort}}}}}`;
  const running = await startServer({
    command: join(serverDirectory('collector'), 'otelcol'),
    arguments: [...collector.command, `--config=yaml:service::telemetry::metrics::readers: [${reader}]`],
    environment: {
      ...given,
      COLLECTOR_CONFIGURATION: given.COLLECTOR_CONFIGURATION?.replace('127.0.0.1:4318', `127.0.0.1:${port}`) ?? '',
      BACKEND_URL: backendUrl,
      BACKEND_AUTHORIZATION: 'Basic abc',
    },
    readyUrl: `http://127.0.0.1:${metricsPort}/metrics`,
  });
  const ofAgent = environmentOf(agent);
  expect(ofAgent.OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://127.0.0.1:4318');
  const agentEnvironment = {
    ...ofAgent,
    DATABRICKS_AUDIT_SOURCE: sampleDelivery,
    // What replicas share is tested elsewhere.
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_DEAD_LETTERS: temporaryDirectory(),
    DATABRICKS_AUDIT_HTTP: 'off',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
  };
  return { agentEnvironment, collector: running };
}
