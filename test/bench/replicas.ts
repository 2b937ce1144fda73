/**
 * Whether replicas get in each other's way: how many lines a second one and three of them ship to a collector that takes 300 ms to
 * answer. The time is waiting, so the figure does not depend on the number of cores, as long as the machine is not busy with other things.
 *
 *     npm run bench:replicas
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { answers, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { startS3Server } from '../support/s3-server.ts';

const answerMs = 300;
const [objectCount, linesPerObject, linesPerBatch] = [90, 60, 20];
const lineCount = objectCount * linesPerObject;

const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const dynalite = createRequire(import.meta.url).resolve('dynalite/cli.js');

const single = await linesPerSecond(1);
const triple = await linesPerSecond(3);
console.log(
  `${lineCount.toLocaleString('en')} lines in ${objectCount} objects, ${answerMs} ms until the collector answers`,
);
console.log(`1 replica   ${Math.round(single)} lines/s`);
console.log(`3 replicas  ${Math.round(triple)} lines/s, ${(triple / single).toFixed(2)} times as many`);

async function linesPerSecond(replicaCount: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'databricks-audit-otel-'));
  const port = await freePort();
  // In a process of its own: this one is busy with the bucket and the collector.
  const store = spawn(
    process.execPath,
    [dynalite, '--host', '127.0.0.1', '--port', String(port), '--createTableMs', '0'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await once(store.stdout, 'data');
  const [s3, receiver] = [await startS3Server(), await startOtlpReceiver()];
  receiver.answerWhen(() => true, answers.late(answerMs));
  await s3.createBucket('audit');
  await s3.createBucket('letters');
  const environment = {
    PATH: process.env.PATH ?? '',
    ...s3.environment,
    AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    DATABRICKS_AUDIT_SOURCE: 's3://audit',
    DATABRICKS_AUDIT_STATE: 'dynamodb://audit-state',
    DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters',
    DATABRICKS_AUDIT_POLL_INTERVAL: '1s',
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    DATABRICKS_AUDIT_SILENCE_AFTER: '0',
    // One request at a time for each replica: what is measured is waiting, and not how much of the processor is left.
    DATABRICKS_AUDIT_MAX_IN_FLIGHT: '1',
    DATABRICKS_AUDIT_BATCH_RECORDS: String(linesPerBatch),
    DATABRICKS_AUDIT_HTTP: 'off',
  };
  const start = (command: readonly string[]) =>
    spawn(process.execPath, [cli, ...command], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  await once(start(['state', 'init']), 'close');
  const replicas = Array.from({ length: replicaCount }, () => start(['run']));
  try {
    await Promise.all(replicas.map(started));
    const bodies = Array.from({ length: objectCount }, (_, index) => linesOf(index));
    const begunAtMs = performance.now();
    await Promise.all(
      bodies.map((body, index) => s3.put('audit', `workspaceId=1/date=2026-01-31/auditlogs_${index}.json`, body)),
    );
    while (receiver.accepted.length < lineCount) {
      if (replicas.some(({ exitCode }) => exitCode !== null)) throw new Error('a replica ended');
      await delay(20);
    }
    return (1000 * lineCount) / (performance.now() - begunAtMs);
  } finally {
    await Promise.all(replicas.map(end));
    await Promise.all([s3.stop(), receiver.close(), end(store)]);
    rmSync(directory, { recursive: true, force: true });
  }
}

function linesOf(object: number): string {
  const line = (number: number) => ({
    timestamp: 1_769_817_600_000 + number,
    workspaceId: '1',
    serviceName: 'clusters',
    actionName: 'start',
    requestId: `request-${object}-${number}`,
  });
  return Array.from({ length: linesPerObject }, (_, number) => `${JSON.stringify(line(number))}\n`).join('');
}

async function started({ stderr }: ChildProcess): Promise<void> {
  if (stderr === null) throw new Error('the replica has no log');
  await new Promise<void>((resolve) => {
    createInterface({ input: stderr }).on('line', (line) => line.includes('"Agent started"') && resolve());
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'close');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('expected an address with a port');
  return address.port;
}
