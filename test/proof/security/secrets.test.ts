/**
 * Redacted values appear nowhere: not in requests, dead letters, logs, the state or standard output, even if the collector echoes
 * the request.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { runAgent } from '../../support/agent-process.ts';
import { testSeed } from '../../support/seed.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { commandMarker, plantedLine, secretMarker } from '../fuzz/hostile-lines.ts';
import { Random } from '../fuzz/random.ts';

const lineCount = 200;

it('leaks no secret, wherever it was and whatever the collector responds', async () => {
  const random = new Random(testSeed);
  const root = temporaryDirectory();
  const content = Buffer.concat(random.list(lineCount, () => [plantedLine(random), Buffer.from('\n')]).flat());
  expect(content.includes(secretMarker)).toBe(true);
  writeFileSync(join(root, 'auditlogs_1.json'), content);

  const { url, requests } = await startEcho();
  const stateDirectory = temporaryDirectory();
  const environment = {
    DATABRICKS_AUDIT_STATE: stateDirectory,
    DATABRICKS_AUDIT_REDACT: 'secrets,commands',
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_LOG_LEVEL: 'all',
  };
  const ship = await runAgent(['ship', root], environment);
  expect(ship.code).toBe(1);
  expect(requests.length).toBeGreaterThan(lineCount);
  const deadLetters = filesBelow(join(stateDirectory, 'dead-letters')).map((file) => readFileSync(file, 'utf8'));
  expect(deadLetters.join('').split('\n').length).toBeGreaterThan(lineCount / 2);
  const preview = await runAgent(['preview', root], environment);
  const written = filesBelow(stateDirectory).map((file) => readFileSync(file));
  for (const output of [...requests, ...written, ship.stderr, ship.stdout, preview.stdout, preview.stderr]) {
    for (const marker of [secretMarker, commandMarker]) expect(output.includes(marker)).toBe(false);
  }
}, 180_000);

/** Rejects every request and echoes its body. */
async function startEcho() {
  const requests: Buffer[] = [];
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      requests.push(body);
      response.writeHead(400, { 'content-type': 'text/plain' }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}
