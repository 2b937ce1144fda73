/**
 * A forward proxy on 127.0.0.1 that takes absolute-form requests and CONNECT, and remembers what it was asked for. Only it can resolve the
 * names in its routes, so a request that arrives has passed through it.
 */
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { onTestFinished } from 'vitest';

export interface ForwardProxy {
  /** `http://user:password@127.0.0.1:<port>` */
  readonly url: string;
  /** `GET http://s3.example.test/audit` or `CONNECT s3.example.test:443` */
  readonly requests: readonly string[];
  readonly credentials: ReadonlySet<string | undefined>;
}

/** @param routes to ports on 127.0.0.1, by `host` or `host:port`. */
export async function startForwardProxy(routes: Readonly<Record<string, number>>): Promise<ForwardProxy> {
  const requests: string[] = [];
  const credentials = new Set<string | undefined>();
  const portOf = (authority: string) => routes[authority] ?? routes[authority.replace(/:\d+$/, '')];
  const server = createServer((incoming, outgoing) => {
    const { host, pathname, search } = new URL(incoming.url ?? '', 'http://not-absolute-form.test');
    requests.push(`${incoming.method} ${incoming.url}`);
    credentials.add(incoming.headers['proxy-authorization']);
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const path = pathname + search;
    const forwarded = request({ host: '127.0.0.1', port: portOf(host) ?? 1, method: incoming.method, path, headers });
    forwarded.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.writeHead(502).end());
    incoming.pipe(forwarded);
  });
  server.on('connect', (incoming, client) => {
    requests.push(`CONNECT ${incoming.url}`);
    credentials.add(incoming.headers['proxy-authorization']);
    const upstream = connect(portOf(incoming.url ?? '') ?? 1, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [upstream, client]) {
      socket.on('error', () => {
        upstream.destroy();
        client.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return { url: `http://user:password@127.0.0.1:${(server.address() as AddressInfo).port}`, requests, credentials };
}
