/**
 * Guarantee 2 with the real process: an object that Databricks overwrites or redelivers yields only the added lines.
 */
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, runAgent, startAgent } from '../../support/agent-process.ts';
import { bodiesOf, repeatedUids } from '../../support/deliveries.ts';
import {
  auditLines,
  type DeliveryPlace,
  deliveryKey,
  deliveryScene,
  directoryPlace,
  objectStorePlace,
  s3Place,
} from '../../support/delivery-place.ts';
import { type AzureServer, startAzureServer } from '../../support/object-servers/azure-server.ts';
import { type GcsServer, startGcsServer } from '../../support/object-servers/gcs-server.ts';
import type { OtlpReceiver } from '../../support/otlp-receiver.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';

let s3: S3Server;
let azure: AzureServer;
let gcs: GcsServer;
beforeAll(async () => {
  [s3, azure, gcs] = await Promise.all([startS3Server(), startAzureServer(), startGcsServer()]);
});
afterAll(() => Promise.all([s3, azure, gcs].map((server) => server.stop())));

describe.each([
  { name: 'a directory', placeOf: async () => directoryPlace() },
  { name: 'a bucket', placeOf: () => s3Place(s3) },
  { name: 'a container of Azure', placeOf: async () => objectStorePlace(azure, 'az') },
  { name: 'a bucket of Google', placeOf: async () => objectStorePlace(gcs, 'gs') },
])('the long-running agent on $name', ({ placeOf }) => {
  it.each([
    ['plain', 'auditlogs_1.json'],
    ['gzip', 'auditlogs_1.json.gz'],
  ])('ships only the added lines of an overwritten object (%s)', async (_encoding, name) => {
    const place = await placeOf();
    const key = deliveryKey('1', name);
    const { receiver, arrivals } = await startRun(place);
    const deliver = async (lines: readonly string[], added: readonly string[]) => {
      await place.deliver(key, lines);
      expect(await arrivals(added.length)).toEqual(added);
    };
    const [first, second, inserted] = [auditLines(5), auditLines(3, 5), auditLines(2, 50)];
    await deliver(first, first);
    await deliver([...first, ...second], second);
    await deliver([...inserted, ...second, ...first], inserted);
    // A line that now occurs twice was delivered twice.
    await deliver([...inserted, ...second, ...first, ...inserted], inserted);
    expect(repeatedUids(receiver)).toEqual([]);
    expect(receiver.accepted).toHaveLength(12);
  });

  it('ships nothing if the same content, or less of it, is delivered again', async () => {
    const place = await placeOf();
    const { agent, receiver, arrivals } = await startRun(place);
    const visits = () => agent.log.filter(({ msg, status }) => msg === 'Object visited' && status === 'settled').length;
    const lines = auditLines(6);
    // The same content has the same ETag in S3, so the order of the lines is changed there.
    for (const content of [lines, lines.toReversed(), lines.slice(0, 3), lines]) {
      const before = visits();
      await place.deliver(deliveryKey(), content);
      await agent.until('the delivery was read completely', () => visits() > before);
    }
    expect(await arrivals(0)).toEqual(lines);
    await place.deliver(deliveryKey(), [...lines, ...auditLines(1, 99)]);
    expect(await arrivals(1)).toEqual(auditLines(1, 99));
    expect(receiver.accepted).toHaveLength(7);
  });
});

describe('a poll', () => {
  // 5,000 objects would prove the same, but take the test server ten times as long to list.
  it('reads none of 500 unchanged objects', async () => {
    const place = await s3Place(s3);
    const keys = Array.from({ length: 500 }, (_, i) => deliveryKey(String(i % 5), `auditlogs_${i}.json`));
    for (const [index, key] of keys.entries()) await place.deliver(key, auditLines(1, index));
    const { agent, arrivals } = await startRun(place);
    await arrivals(500);
    await agent.until('the first listing is done', async () => await isQuiet());
    s3.clearRequests();
    // A poll consists of one listing of the bucket and one per workspace.
    await agent.until('two more polls are done', () => s3.count('ListObjectsV2') >= 2 * (1 + 5));
    expect(s3.count('GetObject')).toBe(0);
    await place.deliver(keys[250] ?? '', auditLines(2, 250));
    await arrivals(1);
    expect(s3.count('GetObject')).toBe(1);
  });

  it('by a restarted agent does not read them either', async () => {
    const place = await s3Place(s3);
    for (let i = 0; i < 20; i++) await place.deliver(deliveryKey('1', `auditlogs_${i}.json`), auditLines(1, i));
    const { receiver, environment } = await setting(place);
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    s3.clearRequests();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expect(s3.count('GetObject')).toBe(0);
    expect(receiver.accepted).toHaveLength(20);
  });
});

describe('a file that is written in place', () => {
  it('yields each complete line once, and a half-written one when it is complete', async () => {
    const { append, arrivals, receiver, twoPolls } = await startOnFile();
    const [first = '', second = '', third = ''] = auditLines(3);
    append(`${first}\n${second.slice(0, 40)}`);
    expect(await arrivals(1)).toEqual([first]);
    append(`${second.slice(40)}\n${third.slice(0, 10)}`);
    expect(await arrivals(1)).toEqual([second]);
    append(`${third.slice(10)}\n`);
    expect(await arrivals(1)).toEqual([third]);
    await twoPolls();
    expect(bodiesOf(receiver.requests).filter((body) => body !== marker)).toHaveLength(3);
  });

  it('yields a last line without a newline once the file has not changed for two polls', async () => {
    const { append, arrivals, receiver } = await startOnFile();
    const [first = '', last = '', next = ''] = auditLines(3);
    append(`${first}\n${last}`);
    expect(await arrivals(1)).toEqual([first]);
    expect(receiver.accepted).toHaveLength(1);
    expect(await arrivals(1)).toEqual([last]);
    append(`\n${next}\n`);
    expect(await arrivals(1)).toEqual([next]);
    expect(receiver.accepted).toHaveLength(3);
  });

  it('is ignored while it has a temporary name, and read completely once it is renamed', async () => {
    const { path, arrivals, twoPolls } = await startOnFile();
    const lines = auditLines(3);
    writeFileSync(`${path}.tmp`, `${lines.join('\n')}\n`);
    await twoPolls();
    expect(await arrivals(0)).toEqual([marker, marker]);
    renameSync(`${path}.tmp`, path);
    expect(await arrivals(3)).toEqual(lines);
  });
});

function setting(place: DeliveryPlace) {
  // Everything in one request, so that lines arrive in object order.
  return deliveryScene(place, { DATABRICKS_AUDIT_BATCH_RECORDS: '512', OTEL_LOG_LEVEL: 'debug' });
}

interface Run {
  readonly agent: AgentProcess;
  readonly receiver: OtlpReceiver;
  /** Waits for this many more records, and returns the bodies of those that arrived since the last call. */
  arrivals(count: number): Promise<(string | undefined)[]>;
}

async function startRun(place: DeliveryPlace): Promise<Run> {
  const { receiver, environment } = await setting(place);
  const agent = startAgent(['run'], environment);
  let taken = 0;
  return {
    agent,
    receiver,
    async arrivals(count) {
      const from = taken;
      await agent.until(`${count} records arrived`, () => receiver.accepted.length >= from + count);
      taken = receiver.accepted.length;
      return receiver.accepted.slice(from).map(({ body }) => body);
    },
  };
}

const marker = '{"serviceName":"marker"}';

/** An agent on a directory in which one file is being written. */
async function startOnFile() {
  const place = directoryPlace();
  const root = place.source;
  const path = join(root, deliveryKey());
  mkdirSync(dirname(path), { recursive: true });
  const run = await startRun(place);
  const append = (text: string) => appendFileSync(path, text);
  /** Detected by marker files that the agent ships in the meantime. */
  const twoPolls = async () => {
    for (let poll = 0; poll < 2; poll++) {
      writeFileSync(join(root, `${poll}.json`), `${marker}\n`);
      const isMarker = () => bodiesOf(run.receiver.requests).filter((body) => body === marker).length > poll;
      await run.agent.until('a poll has passed', isMarker);
    }
  };
  return { ...run, path, append, twoPolls };
}

async function isQuiet(): Promise<boolean> {
  const { length } = s3.requests;
  await delay(100);
  return s3.requests.length === length;
}
