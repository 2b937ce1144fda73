/**
 * Opens the connections of gRPC: through the proxy that the environment names, and with TLS.
 *
 * gRPC for Node.js would do both itself, but differently from everything else in this process: it reads the proxy variables in lower
 * case only and matches NO_PROXY by text, knows no HTTPS proxies, cannot verify a server that is addressed by IP, and reports errors
 * without their codes. It lets credentials decide what happens on a new TCP connection, so that is where this attaches.
 */
import { request } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls';
import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js';
import type { Certificates } from './certificates.ts';

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;

export interface GrpcRoute {
  /** `http:` or `https:`, and the port if it is not the default one of that scheme. */
  readonly collector: URL;
  /** May contain credentials. */
  readonly proxy: URL | undefined;
  readonly certificates: Certificates;
}

export class RoutedCredentials extends ChannelCredentials {
  readonly #route: GrpcRoute;
  readonly #sockets = new Set<Socket>();
  /** The error of the last connection, which gRPC reports without its code. */
  lastError: Error | undefined;

  constructor(route: GrpcRoute) {
    super();
    this.#route = route;
  }

  /** Closing a client of gRPC leaves open what has not become a connection of HTTP/2 yet, and a peer that never answers would hold it. */
  closeSockets(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  override _isSecure(): boolean {
    return this.#route.collector.protocol === 'https:';
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(): SecureConnector {
    return {
      connect: async (socket) => {
        const note = (error: Error) => {
          this.lastError = error;
        };
        this.lastError = undefined;
        this.#sockets.add(socket);
        socket.once('close', () => this.#sockets.delete(socket));
        try {
          const connected = await this.#connect(socket);
          // A server rejects a client certificate after the handshake. Other errors say less than gRPC's own words.
          connected.on('error', (error) => {
            if ('code' in error && String(error.code).startsWith('ERR_SSL_')) note(error);
          });
          return { socket: connected, secure: this._isSecure() };
        } catch (error) {
          if (error instanceof Error) note(error);
          throw error;
        }
      },
      waitForReady: async () => {},
      getCallCredentials: () => CallCredentials.createEmpty(),
      destroy: () => {},
    };
  }

  async #connect(socket: Socket): Promise<Socket> {
    const { collector, proxy, certificates } = this.#route;
    const tunnel = proxy === undefined ? socket : await openTunnel(socket, proxy, collector);
    if (!this._isSecure()) return tunnel;
    const secureContext = createSecureContext(certificates);
    return await startTls(tunnel, collector.hostname, { secureContext, ALPNProtocols: ['h2'] });
  }
}

/** `host:port` of a URL, with the default port of its scheme. */
export function hostAndPort({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
}

async function startTls(socket: Socket, hostname: string, options: ConnectionOptions): Promise<TLSSocket> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const name = isIP(host) === 0 ? { servername: host } : {};
  const secured = connectTls({ ...options, ...name, host, socket });
  await new Promise<void>((resolve, reject) => {
    secured.once('secureConnect', resolve);
    secured.once('error', reject);
    secured.once('close', () => reject(new Error('the connection was closed during the TLS handshake')));
  });
  return secured;
}

/** RFC 9110, section 9.3.6. */
async function openTunnel(socket: Socket, proxy: URL, collector: URL): Promise<Socket> {
  const hop = proxy.protocol === 'https:' ? await startTls(socket, proxy.hostname, {}) : socket;
  const target = hostAndPort(collector);
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const authorization =
    proxy.username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` };
  const connecting = request({
    createConnection: () => hop,
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...authorization },
  });
  return await new Promise<Socket>((resolve, reject) => {
    connecting.once('error', reject);
    connecting.once('connect', (response, tunnel: Socket, head) => {
      if (response.statusCode !== 200) {
        tunnel.destroy();
        const error = new Error(`the proxy answered HTTP ${response.statusCode} to CONNECT ${target}`);
        return reject(Object.assign(error, { code: 'ERR_PROXY_REFUSED' }));
      }
      if (head.length > 0) tunnel.unshift(head);
      resolve(tunnel);
    });
    connecting.end();
  });
}
