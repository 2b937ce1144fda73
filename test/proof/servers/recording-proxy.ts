/**
 * A proxy between a Collector and a backend that records the lines of each request that the backend acknowledged.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { decodeLogsRequest, recordsOf } from '../../support/otlp-decode.ts';

export interface RecordingProxy {
  /** For a Collector's `otlp_http`. */
  readonly url: string;
  readonly acknowledged: ReadonlySet<string>;
  /** From requests that started after the last kill of the backend. */
  readonly acknowledgedSinceKill: ReadonlySet<string>;
  /** Call it when the backend is dead. */
  killed(): void;
}

/** @param backendUrl where the Collector would send without the proxy. */
export async function startRecordingProxy(backendUrl: string): Promise<RecordingProxy> {
  const acknowledged = new Set<string>();
  let sinceKill = new Set<string>();

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const ofThisLife = sinceKill;
    const body = await buffer(request);
    const encoding = request.headers['content-encoding'];
    const answer = await fetch(`${backendUrl}${request.url}`, {
      method: 'POST',
      headers: {
        'content-type': request.headers['content-type'] ?? '',
        ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
      },
      body,
    });
    const answerBody = Buffer.from(await answer.arrayBuffer());
    if (answer.ok) {
      for (const line of linesOf(body, encoding)) {
        acknowledged.add(line);
        ofThisLife.add(line);
      }
    }
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
    response.end(answerBody);
  }

  const server = createServer((request, response) => {
    // While the backend is dead, close the connection, as the Collector would see it without the proxy.
    pass(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    acknowledged,
    get acknowledgedSinceKill() {
      return sinceKill;
    },
    killed() {
      sinceKill = new Set();
    },
  };
}

function linesOf(body: Buffer, encoding: string | undefined): readonly string[] {
  const request = decodeLogsRequest(encoding === 'gzip' ? gunzipSync(body) : body);
  return recordsOf(request).map(({ record }) => record.body?.stringValue ?? '');
}
