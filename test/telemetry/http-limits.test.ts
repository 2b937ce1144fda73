/**
 * What one client can do to the others, tested with raw sockets.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Health } from '../../src/telemetry/health.ts';
import { type HttpContent, type HttpLimits, HttpServer } from '../../src/telemetry/http-server.ts';

const unlimitedPatience: HttpLimits = { connectionsMax: 128, requestTimeoutMs: 300_000, idleTimeoutMs: 300_000 };
const connectionsCount = 140;

it.each([
  ['never send anything', ''],
  ['never end their headers', 'GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow: '],
  ['never end their body', 'GET /livez HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n'],
  ['never read what they asked for', 'GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n'],
])(
  'probes are answered while 140 connections of the same client %s and come back whenever they are closed',
  async (_, start) => {
    const { port } = await serve(unlimitedPatience);
    for (let count = 0; count < connectionsCount; count++) await occupy(port, start, true);
    for (let count = 0; count < 15; count++) {
      expect(await probe(port, '/livez')).toMatch(/^HTTP\/1\.1 200 /);
      expect(await probe(port, '/readyz')).toMatch(/^HTTP\/1\.1 200 /);
    }
  },
);

it('connections of one client do not take the place of those of another', async () => {
  const { port } = await serve(unlimitedPatience, '::');
  const page = await occupy(port, 'GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n', false, '::1');
  await once(page, 'data');
  const idle = await occupy(port, '', false, '::1');
  for (let count = 0; count < 2 * connectionsCount; count++) await occupy(port, '', false, '127.0.0.1');
  expect(await probe(port, '/livez')).toMatch(/^HTTP\/1\.1 200 /);
  expect([page, idle].map(({ readableEnded }) => readableEnded)).toEqual([false, false]);
});

it.each([
  ['headers that do not end', 'GET /livez HTTP/1.1\r\nx: '],
  ['a body that does not end', 'GET /livez HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n'],
  ['nothing at all', ''],
])('closes a connection with %s', async (_, start) => {
  const { port } = await serve({ ...unlimitedPatience, requestTimeoutMs: 100, idleTimeoutMs: 200 });
  const socket = await occupy(port, start, false);
  await once(socket.resume(), 'close');
  expect(socket.destroyed).toBe(true);
});

it('refuses endless headers that arrive fast', async () => {
  const { port } = await serve(unlimitedPatience);
  const socket = await occupy(port, 'GET /livez HTTP/1.1\r\n', false);
  socket.write('x: y\r\n'.repeat(10_000));
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 431 /);
});

async function serve(limits: HttpLimits, host = '127.0.0.1'): Promise<{ readonly port: number }> {
  const health: Health = { ok: true, status: 'idle', reason: 'nothing to do', checks: [] };
  const content: HttpContent = {
    livez: () => health,
    readyz: async () => health,
    metrics: undefined,
    pageFiles: new Map(),
    snapshot: () => '{}',
    onError() {},
  };
  const server = new HttpServer(content, systemClock, [], limits);
  onTestFinished(() => server.close());
  return { port: Number(new URL(await server.listen({ host, port: 0 })).port) };
}

/** Resolves once the connection is open. */
async function occupy(port: number, start: string, comesBack: boolean, host = '127.0.0.1'): Promise<Socket> {
  let isOver = false;
  const open = () => {
    const socket = connect({ port, host });
    socket.on('error', () => {});
    socket.on('connect', () => socket.write(start));
    socket.on('close', () => {
      if (comesBack && !isOver) open();
    });
    onTestFinished(() => {
      isOver = true;
      socket.destroy();
    });
    return socket;
  };
  const socket = open();
  await once(socket, 'connect');
  return socket;
}

/** Rejects if the server closes the connection without an answer. */
async function probe(port: number, path: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  onTestFinished(() => void socket.destroy());
  socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`);
  const answer = await socket.toArray();
  if (answer.length === 0) throw new Error('the server closed the connection without an answer');
  return Buffer.concat(answer).toString();
}
