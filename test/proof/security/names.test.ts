/**
 * Anyone who can write to the bucket chooses the object names. They are read, shipped and reported, but never become a path.
 */
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type Environment, runAgent } from '../../support/agent-process.ts';
import { auditLines } from '../../support/delivery-place.ts';
import { plainAttributes } from '../../support/otlp-decode.ts';
import { answers, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const folder = 'workspaceId=1/date=2026-01-31/';
const keys = [
  '../../../../../../../../tmp/evil.json',
  'x..%2f..%2fevil.json',
  '/etc/passwd.json',
  'C:\\..\\evil.json',
  'line\nbreak\r\n.json',
  '\x1b[2J\x1b]0;owned\x07.json',
  '\u202egnp\u2066\u009b2J.json',
  '"quoted" \'and\' `ticked` $(id) $HOME ;&|.json',
  '<&>"\'.json',
  ' spaces  and + plus.json',
  'é\u{1f600}\u0301.json',
  `${'long'.repeat(230)}.json`,
].map((name) => folder + name);

it('ships every object with a hostile key completely, and none becomes a file', async () => {
  const { environment, root } = await scene();
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const ship = await runAgent(['ship', 's3://audit'], { ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  expect(ship.stderr).toContain(`${keys.length} objects, ${keys.length} lines read`);
  expect(ship.code).toBe(0);
  const shipped = receiver.accepted.map(({ record }) => plainAttributes(record.attributes)['aws.s3.key']);
  expect(shipped.toSorted()).toEqual(keys.toSorted());
  expect(filesBelow(root)).toEqual(stateFiles);
});

it('writes dead letters of hostile keys to files whose names the agent chooses', async () => {
  const { environment, root } = await scene();
  const receiver = await startOtlpReceiver();
  receiver.answerWhen(({ records }) => records.length > 0, answers.plain(400, 'no'));
  onTestFinished(() => receiver.close());
  const ship = await runAgent(['ship', 's3://audit'], { ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
  expect(ship.stderr).toContain(`${keys.length} dead-lettered`);
  const deadLetters = [
    'state/dead-letters',
    expect.stringMatching(/^state\/dead-letters\/dead-letters-[\d-]+-1\.jsonl$/),
  ];
  expect(filesBelow(root)).toEqual(expect.arrayContaining([...stateFiles, ...deadLetters]));
  expect(filesBelow(root)).toHaveLength(stateFiles.length + deadLetters.length);
});

const stateFiles = ['state', 'state/delivery.db', 'state/lock.db'];

async function scene(): Promise<{ environment: Environment; root: string }> {
  const root = temporaryDirectory();
  const endpoint = await startBucket();
  const environment = {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    DATABRICKS_AUDIT_STATE: join(root, 'state'),
  };
  return { environment, root };
}

/** A minimal S3 server for keys that other test servers reject. */
async function startBucket(): Promise<string> {
  const body = `${auditLines(1)[0]}\n`;
  const server = createServer((request, response) => {
    const searchParams = new URLSearchParams(request.url?.split('?')[1]);
    if (searchParams.get('list-type') !== '2') return void response.writeHead(200, { etag: '"tag"' }).end(body);
    const content =
      searchParams.get('delimiter') === '/'
        ? `<CommonPrefixes><Prefix>workspaceId=1/</Prefix></CommonPrefixes>`
        : keys
            .map(
              (key) =>
                `<Contents><Key>${xml(key)}</Key><LastModified>2026-01-31T00:00:00.000Z</LastModified><ETag>&quot;tag&quot;</ETag><Size>${body.length}</Size></Contents>`,
            )
            .join('');
    response.end(
      `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>audit</Name>${content}<IsTruncated>false</IsTruncated></ListBucketResult>`,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Escapes like S3, which emits character references even for characters that XML 1.0 does not allow. */
function xml(text: string): string {
  return text.replaceAll(/[\p{Cc}&<>"']/gu, (character) => `&#${character.charCodeAt(0)};`);
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted();
}
