import { expect, test } from 'vitest';
import { createOtlpClient } from '../../src/export/otlp-client.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { encodeProtobuf, manyLines, never, optionsOf } from '../export/fixtures.ts';
import { openGrpcPort } from './grpc-port.ts';

test('the port for gRPC takes what the agent sends, and hands over each message', async () => {
  const messages: Buffer[] = [];
  const url = await openGrpcPort((message) => messages.push(message));
  const environment = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' };
  const client = createOtlpClient(optionsOf({ ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: url }), systemClock);
  const request = encodeProtobuf(manyLines(3));
  expect((await client.send(request, never)).status).toBe('accepted');
  await client.close();
  expect(messages.map((message) => message.equals(request))).toEqual([true]);
});
