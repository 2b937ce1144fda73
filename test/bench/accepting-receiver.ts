/**
 * A collector that takes everything, keeps nothing and counts the records, as a process of its own: what is measured must not
 * pay for its receiver. Prints its URLs for HTTP and gRPC, as JSON; a GET to the first says how much it got.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { countRecords } from './count-records.ts';
import { openGrpcPort } from './grpc-port.ts';
import type { Received } from './receiver.ts';

const decompressors: Readonly<Record<string, (body: Uint8Array) => Promise<Uint8Array>>> = {
  gzip: promisify(gunzip),
  zstd: promisify(zstdDecompress),
};

const received = { requests: 0, records: 0, bytes: 0 } satisfies Received;
let counted = Promise.resolve();
const server = createServer((request, response) => {
  if (request.method === 'GET') return void counted.then(() => response.end(JSON.stringify(received)));
  const chunks: Buffer[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    // Counting comes behind the answer, so that a sender waits no longer for a body that is compressed.
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    counted = Promise.all([counted, count(Buffer.concat(chunks), request.headers)]).then(() => {});
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
const grpcUrl = await openGrpcPort((message) => countBody(message, message.length, 'application/x-protobuf'));
console.log(JSON.stringify({ url: `http://127.0.0.1:${address.port}`, grpcUrl }));

async function count(body: Buffer, headers: NodeJS.Dict<string | string[]>): Promise<void> {
  const decompress = decompressors[String(headers['content-encoding'])];
  const plain = decompress === undefined ? body : await decompress(body);
  countBody(plain, body.length, String(headers['content-type']));
}

function countBody(plain: Uint8Array, sentBytes: number, contentType: string): void {
  received.records += countRecords(plain, contentType);
  received.requests++;
  received.bytes += sentBytes;
}
