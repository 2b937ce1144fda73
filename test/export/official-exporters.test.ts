/**
 * The receiver of these tests against the official exporters. It stores what they were given, so our exporter is tested against
 * OTLP and not against our own interpretation of it.
 */
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  InMemoryLogRecordExporter,
  LoggerProvider,
  type LogRecordExporter,
  type ReadableLogRecord,
  SimpleLogRecordProcessor,
} from '@opentelemetry/sdk-logs';
import { expect, test } from 'vitest';
import { plainAttributes } from '../support/otlp-decode.ts';
import { answers } from '../support/otlp-receiver.ts';
import { receiver } from './fixtures.ts';

const exporters = [
  ['protobuf', ProtobufExporter],
  ['JSON', JsonExporter],
] as const;

test.each(exporters)('what the official exporter sends as %s is stored unchanged', async (_, Exporter) => {
  const collector = await receiver();
  const exporter = new Exporter({ url: `${collector.url}/v1/logs`, compression: CompressionAlgorithm.GZIP });
  await exportWith(exporter, records());
  expect(collector.acceptedUids()).toEqual(['uid-0', 'uid-1']);
  const [stored] = collector.accepted;
  expect(stored?.body).toBe('line 0');
  expect(stored?.record).toMatchObject({
    timeUnixNano: '1760000000000000000',
    severityNumber: 9,
    severityText: 'INFO',
    eventName: 'databricks.audit',
  });
  expect(plainAttributes(stored?.resource?.attributes ?? [])).toMatchObject({ 'service.name': 'databricks' });
  expect(plainAttributes(stored?.record.attributes ?? [])).toMatchObject({ 'log.record.uid': 'uid-0', ok: true });
});

test.each(exporters)('the official exporter for %s recognises a rejection', async (_, Exporter) => {
  const collector = await receiver();
  collector.answerNext(answers.status(400, 'line too long'));
  const exporter = new Exporter({ url: `${collector.url}/v1/logs` });
  await expect(exportWith(exporter, records())).rejects.toMatchObject({ code: 400 });
  expect(collector.accepted).toEqual([]);
});

async function exportWith(exporter: LogRecordExporter, all: ReadableLogRecord[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    exporter.export(all, ({ code, error }) => (code === 0 ? resolve() : reject(error)));
  });
  await exporter.shutdown();
}

function records(): ReadableLogRecord[] {
  const exporter = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'databricks' }),
    processors: [new SimpleLogRecordProcessor({ exporter })],
  });
  for (const index of [0, 1]) {
    provider.getLogger('test').emit({
      timestamp: 1_760_000_000_000,
      body: `line ${index}`,
      eventName: 'databricks.audit',
      severityNumber: 9,
      severityText: 'INFO',
      attributes: { 'log.record.uid': `uid-${index}`, ok: true },
    });
  }
  return exporter.getFinishedLogRecords();
}
