import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';
import { startOwnLogs } from '../../src/telemetry/index.ts';
import { startOtlpReceiver } from '../support/otlp-receiver.ts';

test.each([
  ['http/protobuf', 'application/x-protobuf'],
  ['http/json', 'application/json'],
] as const)('sends the own log as %s, with severity, fields and error', async (protocol, contentType) => {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  // The exporters read the standard variables themselves, except the protocol.
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.url);
  onTestFinished(() => void vi.unstubAllEnvs());
  const ownLogs = await startOwnLogs({ protocol, resourceAttributes: { 'service.namespace': 'audit' } }, systemClock);
  ownLogs.write(
    JSON.stringify({
      level: 'warn',
      time: '2026-03-10T12:00:00.000Z',
      msg: 'Could not list a source',
      source: 's3://audit',
      err: { message: 'access denied', code: 'ERR_SOURCE_ACCESS_DENIED', hint: 'Grant s3:ListBucket.' },
    }),
  );
  await ownLogs.close();
  await receiver.requestCount(1);
  await expect.poll(() => receiver.accepted).toHaveLength(1);
  expect(receiver.requests.map(({ headers }) => headers['content-type'])).toEqual([contentType]);
  const [{ body, record, json } = {}] = receiver.accepted;
  expect(body).toBe('Could not list a source');
  expect(record).toMatchObject({ severityText: 'WARN', severityNumber: 13, timeUnixNano: '1773144000000000000' });
  for (const part of ['s3://audit', 'ERR_SOURCE_ACCESS_DENIED', 'access denied', 'databricks-audit-otel', 'namespace'])
    expect(json).toContain(part);
});
