/**
 * A collector that takes everything and keeps nothing, as a process of its own: a benchmark must not pay for its receiver.
 * Prints its URL.
 */
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  request.on('data', () => {});
  request.on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end());
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
  console.log(`http://127.0.0.1:${address.port}`);
});
