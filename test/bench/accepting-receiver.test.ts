import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { identifiedLine, sampleRecords } from '../support/sample-lines.ts';
import { startReceiver } from './receiver.ts';

const compressions = {
  identity: async (body: Uint8Array) => body,
  gzip: promisify(gzip),
  zstd: promisify(zstdCompress),
};

it.each([
  ['protobuf', 'identity'],
  ['protobuf', 'gzip'],
  ['protobuf', 'zstd'],
  ['json', 'identity'],
  ['json', 'gzip'],
] as const)('the receiver of the benchmark counts the records of requests as %s, %s', async (encoding, compression) => {
  const receiver = await startReceiver();
  onTestFinished(() => receiver.close());
  let bytes = 0;
  for (const recordCount of [1, 700]) {
    const body = Buffer.from(await compressions[compression](encode(recordCount, encoding)));
    const headers = {
      'content-type': `application/${encoding === 'json' ? 'json' : 'x-protobuf'}`,
      'content-encoding': compression,
    };
    const { status } = await fetch(`${receiver.url}/v1/logs`, { method: 'POST', headers, body });
    expect(status).toBe(200);
    bytes += body.length;
  }
  expect(await receiver.received()).toEqual({ requests: 2, records: 701, bytes });
});

function encode(recordCount: number, encoding: 'protobuf' | 'json'): Uint8Array {
  const mapper = createMapper({ layers: ['databricks-audit'], redact: [], resourceAttributes: {} });
  const encoder = mapper.createEncoder(encoding);
  // Of two workspaces, so that there is more than one resource.
  for (const [index, text] of sampleRecords(recordCount).entries())
    encoder.append(identifiedLine(index % 2 === 0 ? text : text.replaceAll('1234567890123456', '6543210987654321')));
  return encoder.finish();
}
