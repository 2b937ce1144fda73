/**
 * Executes the Dockerfile without a container engine, in a clean folder. The result then runs as in a container: in its own root
 * with only its files, as a user who may write only to the state.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { auditLines, deliveryKey } from '../../../support/delivery-place.ts';
import { startAzureServer } from '../../../support/object-servers/azure-server.ts';
import { startGcsServer } from '../../../support/object-servers/gcs-server.ts';
import { startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { startS3Server } from '../../../support/s3-server.ts';
import { sampleDelivery } from '../built-agent.ts';
import { freePort } from '../server-process.ts';
import { addNode, followDockerfile, type Image } from './image.ts';

const ignoreFile = fileURLToPath(new URL('../../../../.dockerignore', import.meta.url));
const isRoot = process.getuid?.() === 0;
const builtImageTimeoutMs = 600_000;

let directory: string;
let image: Image;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'databricks-audit-otel-image-'));
  chmodSync(directory, 0o755); // The user of the image has to reach it.
  image = followDockerfile('Dockerfile', directory);
  cpSync(sampleDelivery, join(image.root, 'delivered'), { recursive: true });
  addNode(image, '/nodejs/bin/node');
  execFileSync('chmod', ['-R', 'a-w', ...['app', 'delivered', 'nodejs'].map((folder) => join(image.root, folder))]);
}, builtImageTimeoutMs);

afterAll(() => {
  execFileSync('chmod', ['-R', 'u+w', directory]);
  rmSync(directory, { recursive: true });
});

test('the image contains the bundle, mappings, licences and a bill of materials, but neither sources nor node_modules', () => {
  const files = globSync('**', { cwd: join(image.root, 'app'), withFileTypes: true }).filter((each) => each.isFile());
  const names = files.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining([
      'cli.js',
      'health.js',
      'worker.js',
      'databricks-audit.yaml',
      'LICENSE',
      'THIRD-PARTY-LICENSES',
    ]),
  );
  expect(names.filter((name) => name.endsWith('.ts'))).toEqual([]);
  expect(files.filter(({ parentPath }) => parentPath.includes('node_modules'))).toEqual([]);
  const { components } = JSON.parse(readFileSync(join(image.root, 'app/databricks-audit-otel.cdx.json'), 'utf8'));
  const packages = components.map(({ name }: { name: string }) => name);
  expect(packages).toEqual(expect.arrayContaining(['@aws-sdk/client-s3', 'undici']));
  expect(packages).not.toContain('vitest');
  const sizeBytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  console.log(`The agent adds ${(sizeBytes / 1_000_000).toFixed(1)} MB to the base image.`);
  expect(sizeBytes).toBeLessThan(10_000_000);
});

test('only what .dockerignore allows is copied from the checkout', () => {
  const allowed = readFileSync(ignoreFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(allowed[0]).toBe('*');
  // A folder is allowed once, even if a part of it is copied earlier.
  const copied = image.copied.filter((path) => !image.copied.some((folder) => path.startsWith(`${folder}/`)));
  expect(allowed.slice(1).map((line) => line.slice(1))).toEqual(copied.toSorted());
});

test('it is labelled, does not run as root, and stores its state on a volume', () => {
  expect(image.labels).toMatchObject({
    'org.opencontainers.image.title': 'databricks-audit-otel',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.version': expect.any(String),
    'org.opencontainers.image.revision': expect.any(String),
  });
  expect(image.user).toBe('65532:65532');
  expect(image.volumes).toEqual([image.environment.DATABRICKS_AUDIT_STATE]);
});

// Only root may use chroot.
describe.skipIf(!isRoot)('in its own root', () => {
  test('it prints its version, and writes only its state', async () => {
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await run(['ship', '/delivered'], { DATABRICKS_AUDIT_STATE: '/app/state' })).code).toBe(1);
  });

  test.each(['1', '2'])('it ships a delivery, with %s workers', async (workers) => {
    const receiver = await startOtlpReceiver();
    onTestFinished(() => receiver.close());
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      DATABRICKS_AUDIT_WORKERS: workers,
      DATABRICKS_AUDIT_STATE: `/state/${workers}`,
    };
    expect(await run(['ship', '/delivered'], environment)).toMatchObject({ code: 0 });
    expect(receiver.accepted).toHaveLength(15);
    expect(await run(['ship', '/delivered'], environment)).toMatchObject({ code: 0 });
    expect(receiver.accepted).toHaveLength(15);
  });

  test.each(['azure', 'gcs'] as const)('it ships from %s, whose library is in a file of its own', async (name) => {
    const receiver = await startOtlpReceiver();
    const server = name === 'azure' ? await startAzureServer() : await startGcsServer();
    onTestFinished(() => Promise.all([receiver.close(), server.stop()]).then(() => undefined));
    server.store.put('logs', deliveryKey(), auditLines(3).join('\n'));
    const environment = {
      ...server.environment,
      DATABRICKS_AUDIT_SOURCE: name === 'azure' ? 'az://logs' : 'gs://logs',
      DATABRICKS_AUDIT_STATE: `/state/${name}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    };
    expect(await run(['ship'], environment)).toMatchObject({ code: 0 });
    expect(receiver.accepted).toHaveLength(3);
  });

  // The libraries that sign in are loaded only without an emulator. What they say shows that they were.
  test.each([
    [
      'az://acme.blob.core.windows.net/logs',
      { AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential' },
      'no Azure credentials could be loaded',
    ],
    [
      'gs://logs',
      { GOOGLE_APPLICATION_CREDENTIALS: '/none.json' },
      'the file with the Google credentials could not be read',
    ],
  ])('it signs in for %s', async (source, environment, told) => {
    const checked = await run(['check'], {
      ...environment,
      DATABRICKS_AUDIT_SOURCE: source,
      OTEL_LOGS_EXPORTER: 'console',
    });
    expect([checked.code, checked.stdout]).toEqual([1, expect.stringContaining(told)]);
  });

  test('it lists a bucket, and the test prints how fast, and its memory in excess of Node.js alone', async () => {
    const server = await startS3Server();
    onTestFinished(() => server.stop());
    await server.createBucket('audit');
    const environment = { ...server.environment, DATABRICKS_AUDIT_SOURCE: 's3://audit', OTEL_LOGS_EXPORTER: 'console' };
    const bare = start([image.entryPoint[0] ?? '', '-e', 'setInterval(() => {}, 1000)'], {});
    const startedAtMs = performance.now();
    const agent = start([...image.entryPoint, ...image.command], environment);
    await vi.waitFor(() => expect(server.count('ListObjectsV2')).toBeGreaterThan(0), { timeout: 60_000, interval: 1 });
    const listedAfterMs = performance.now() - startedAtMs;
    const memoryMegabytes = (residentBytes(agent) - residentBytes(bare)) / 1_000_000;
    console.log(`First listing after ${listedAfterMs.toFixed(0)} ms, ${memoryMegabytes.toFixed(0)} MB beyond Node.js.`);
  });

  test('its health check passes while the agent is running, and fails if nothing responds', async () => {
    const port = await freePort();
    const environment = { DATABRICKS_AUDIT_HTTP: `0.0.0.0:${port}` };
    const source = { DATABRICKS_AUDIT_SOURCE: '/delivered', OTEL_LOGS_EXPORTER: 'console' };
    const agent = start([...image.entryPoint, ...image.command], { ...environment, ...source });
    const check = () => execute(image.healthCheck, environment);
    await vi.waitFor(async () => expect(await check()).toMatchObject({ code: 0, stderr: '' }), { timeout: 60_000 });
    for (const path of ['/', '/metrics', '/readyz']) {
      expect((await fetch(`http://127.0.0.1:${port}${path}`)).status, path).toBe(200);
    }
    agent.kill('SIGTERM');
    await once(agent, 'close');
    expect(agent.exitCode).toBe(0);
    expect(await check()).toMatchObject({ code: 1, stderr: expect.stringContaining('/livez: ') });
  });
});

interface End {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(commandLine: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<End> {
  return execute([...image.entryPoint, ...commandLine], environment);
}

async function execute(commandLine: readonly string[], environment: Readonly<Record<string, string>>): Promise<End> {
  const child = start(commandLine, environment);
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}

function start(commandLine: readonly string[], environment: Readonly<Record<string, string>>) {
  const child = spawn('chroot', [`--userspec=${image.user}`, image.root, ...commandLine], {
    env: { PATH: process.env.PATH, ...image.environment, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

function residentBytes({ pid }: ChildProcess): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
