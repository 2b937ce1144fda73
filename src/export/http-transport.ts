/**
 * OTLP over HTTP/1.1, with keep-alive connections.
 */
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { proxyFor } from '../runtime/proxy.ts';
import type { Certificates } from './certificates.ts';
import { compress } from './compression.ts';
import { Connections } from './connections.ts';
import type { OtlpOptions } from './options.ts';
import { type OtlpTransport, responseBytesMax } from './otlp-transport.ts';

/** A host that takes longer than this to connect is considered unreachable. */
const connectTimeoutLimitMs = 5_000;

/** Throws ERR_CONFIGURATION if a certificate or key cannot be used. */
export function createHttpTransport(options: OtlpOptions): OtlpTransport {
  const dispatchers = new Connections(options, (certificates) => createDispatcher(options, certificates));
  const headers = requestHeaders(options);
  return {
    async exchange(content, signal) {
      const body = await compress(content, options.compression);
      const dispatcher = dispatchers.current();
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(options.requestTimeoutMs)]);
      const response = await request(options.url, { method: 'POST', headers, body, dispatcher, signal: deadline });
      return {
        protocol: 'http',
        status: response.statusCode,
        headers: response.headers,
        body: await readLimited(response.body),
      };
    },
    close: () => dispatchers.destroy(),
  };
}

function requestHeaders(options: OtlpOptions): Record<string, string> {
  return {
    'user-agent': options.userAgent ?? 'databricks-audit-otel',
    ...options.headers,
    // Without parameters: Loki rejects a content type that has any.
    'content-type': options.protocol === 'http/json' ? 'application/json' : 'application/x-protobuf',
    ...(options.compression === 'none' ? {} : { 'content-encoding': options.compression }),
  };
}

function createDispatcher(options: OtlpOptions, certificates: Certificates): Dispatcher {
  const connect = { timeout: Math.min(options.requestTimeoutMs, connectTimeoutLimitMs), ...certificates };
  // One deadline covers the whole attempt (OTEL_EXPORTER_OTLP_TIMEOUT), so undici's timeouts per phase are disabled.
  const settings = {
    connect,
    connections: options.requestsInFlightMax,
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: false,
  };
  const proxy = proxyFor(new URL(options.url));
  return proxy === undefined ? new Agent(settings) : new ProxyAgent({ ...settings, uri: proxy, requestTls: connect });
}

async function readLimited(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes >= responseBytesMax) break;
  }
  return Buffer.concat(chunks).subarray(0, responseBytesMax);
}
