/**
 * The agent's only HTTP server: health, metrics, the live page and its event stream, all read-only. It never delays shipping:
 * responses come from memory, the number of clients is limited, and a slow client misses updates instead of filling a buffer.
 * Probes are answered whatever other clients do with their connections.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import type { Clock } from '../runtime/clock.ts';
import { limitConnections } from './connection-limit.ts';
import type { Health } from './health.ts';
import type { LivePageFile } from './live-page.ts';
import type { HttpAddress } from './options.ts';

export interface HttpContent {
  readonly livez: () => Health;
  readonly readyz: () => Promise<Health>;
  /** Undefined if the Prometheus exporter is off. */
  readonly metrics: (() => Promise<string>) | undefined;
  /** By path. */
  readonly pageFiles: ReadonlyMap<string, LivePageFile>;
  /** What the live page shows, as JSON. */
  readonly snapshot: () => string;
  /** A connection could not be accepted, for example because of too many open files. Open connections are not affected. */
  readonly onError: (error: Error) => void;
}

export interface HttpLimits {
  readonly connectionsMax: number;
  /** From the first byte of a request to the end of its headers, or of its body. */
  readonly requestTimeoutMs: number;
  /** Without a byte in either direction; an event stream sends one every second. */
  readonly idleTimeoutMs: number;
}

const defaultLimits: HttpLimits = { connectionsMax: 128, requestTimeoutMs: 5_000, idleTimeoutMs: 30_000 };
const updateIntervalMs = 1000;
const watchersMax = 16;

/** The page may load only what this server serves, and text from records can never run as code. */
const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

export class HttpServer {
  readonly #content: HttpContent;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #watchers = new Set<ServerResponse>();
  readonly #stopping = new AbortController();
  /** In lower case, without a port. */
  readonly #hostNames: Set<string>;

  /** @param hostNames that requests may carry in their Host header, in addition to IP addresses and `localhost`. */
  constructor(content: HttpContent, clock: Clock, hostNames: readonly string[] = [], limits = defaultLimits) {
    this.#content = content;
    this.#clock = clock;
    this.#hostNames = new Set(['localhost', ...hostNames.map((name) => name.toLowerCase())]);
    const { connectionsMax, requestTimeoutMs, idleTimeoutMs } = limits;
    const timeouts = {
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // Node.js enforces both only this often: every 30 s by default.
      connectionsCheckingInterval: requestTimeoutMs / 5,
    };
    this.#server = createServer(timeouts, (request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.timeout = idleTimeoutMs;
    limitConnections(this.#server, connectionsMax);
  }

  /** Rejects with the operating system's error. @returns the URL. */
  async listen({ host, port }: HttpAddress): Promise<string> {
    this.#server.listen({ host, port });
    await once(this.#server, 'listening');
    this.#server.on('error', this.#content.onError);
    this.#server.unref();
    const address = this.#server.address() as AddressInfo;
    this.#hostNames.add(host.toLowerCase());
    this.#update().catch(() => {});
    return `http://${isIP(host) === 6 ? `[${host}]` : host}:${address.port}`;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    for (const watcher of this.#watchers) watcher.end();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return send(response.setHeader('allow', 'GET, HEAD'), 405, 'text/plain', 'Only GET and HEAD are allowed\n');
    }
    if (!this.#isExpectedHost(request)) {
      return send(
        response,
        421,
        'text/plain',
        'Unexpected Host header; DATABRICKS_AUDIT_HTTP_HOSTS lists the names to accept\n',
      );
    }
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const { livez, readyz, metrics, pageFiles, snapshot } = this.#content;
    const file = pageFiles.get(path);
    if (file !== undefined) return send(response, 200, file.contentType, file.content);
    switch (path) {
      case '/livez':
        return sendHealth(response, livez());
      case '/readyz':
        return sendHealth(response, await readyz());
      case '/metrics':
        if (metrics === undefined) break;
        return send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', await metrics());
      case '/status.json':
        return send(response, 200, 'application/json', snapshot());
      case '/events':
        return this.#watch(response);
    }
    return send(response, 404, 'text/plain', 'Not found; try / /livez /readyz /metrics /status.json\n');
  }

  /**
   * Prevents DNS rebinding: a web site can point its own name at an address of ours and read what is served there, but it cannot
   * change the Host header that the browser sends. No browser omits the header.
   */
  #isExpectedHost({ headers }: IncomingMessage): boolean {
    if (headers.host === undefined) return true;
    const name = headers.host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
    return this.#hostNames.has(name) || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
  }

  #watch(response: ServerResponse): void {
    if (this.#watchers.size >= watchersMax) {
      send(response, 503, 'text/plain', 'Too many live pages are open\n');
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${this.#content.snapshot()}\n\n`);
    this.#watchers.add(response);
    response.on('close', () => this.#watchers.delete(response));
  }

  async #update(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(updateIntervalMs, this.#stopping.signal);
      const ready = [...this.#watchers].filter(({ writableNeedDrain }) => !writableNeedDrain);
      if (ready.length === 0) continue;
      const event = `data: ${this.#content.snapshot()}\n\n`;
      for (const watcher of ready) watcher.write(event);
    }
  }
}

function sendHealth(response: ServerResponse, { ok, ...rest }: Health): void {
  send(response, ok ? 200 : 503, 'application/json', `${JSON.stringify({ ok, ...rest })}\n`);
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType }).end(body);
}
