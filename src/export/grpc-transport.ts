/**
 * OTLP over gRPC: the unary call LogsService/Export with the encoder's bytes as they are. Requests share one HTTP/2 connection.
 *
 * The exporter decides when to try again, so everything by which gRPC would do so itself is off. After a call without an answer, the
 * next one opens a new connection: a connection that a firewall has dropped silently would let every further call time out.
 */
import { Client, compressionAlgorithms, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { systemClock } from '../runtime/clock.ts';
import { proxyFor } from '../runtime/proxy.ts';
import type { Certificates } from './certificates.ts';
import { type Closable, Connections } from './connections.ts';
import { hostAndPort, RoutedCredentials } from './grpc-connector.ts';
import type { OtlpOptions } from './options.ts';
import { type GrpcResponse, type OtlpTransport, responseBytesMax } from './otlp-transport.ts';

/** opentelemetry-proto, opentelemetry/proto/collector/logs/v1/logs_service.proto. */
const method = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';

/** Throws ERR_CONFIGURATION if a certificate or key cannot be used. */
export function createGrpcTransport(options: OtlpOptions): OtlpTransport {
  const connections = new Connections(options, (certificates) => new GrpcConnection(options, certificates));
  return {
    async exchange(request, signal) {
      const connection = connections.current();
      try {
        return await connection.call(request, signal);
      } catch (error) {
        connections.discard(connection);
        throw error;
      }
    },
    close: () => connections.destroy(),
  };
}

class GrpcConnection implements Closable {
  readonly #options: OtlpOptions;
  readonly #metadata: Metadata;
  readonly #client: Client;
  readonly #credentials: RoutedCredentials;
  /** Aborts its call. */
  readonly #inFlight = new Set<() => void>();
  #onIdle: (() => void) | undefined;

  constructor(options: OtlpOptions, certificates: Certificates) {
    this.#options = options;
    const { 'user-agent': userAgent = options.userAgent ?? 'databricks-audit-otel', ...headers } = options.headers;
    this.#metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) this.#metadata.set(name, value);
    const collector = new URL(options.url);
    const proxyUrl = proxyFor(collector);
    const proxy = proxyUrl === undefined ? undefined : new URL(proxyUrl);
    this.#credentials = new RoutedCredentials({ collector, proxy, certificates });
    this.#client = new Client(`dns:${hostAndPort(proxy ?? collector)}`, this.#credentials, {
      'grpc.default_authority': collector.host,
      'grpc.primary_user_agent': userAgent,
      'grpc.max_receive_message_length': responseBytesMax,
      'grpc.default_compression_algorithm': compressionAlgorithms[options.compression === 'gzip' ? 'gzip' : 'identity'],
      'grpc.enable_http_proxy': 0, // The credentials connect through the proxy.
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.use_local_subchannel_pool': 1, // Otherwise connections would outlive a change of the certificates.
      'grpc.enable_channelz': 0,
    });
  }

  async call(request: Uint8Array, signal: AbortSignal): Promise<GrpcResponse> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<GrpcResponse>();
    // A status that the client makes up itself, for example for a lost connection, comes without metadata.
    let isAnswered = false;
    const call = this.#client.makeUnaryRequest(
      method,
      toBuffer,
      toBuffer,
      request,
      this.#metadata,
      { deadline: systemClock.nowMs() + this.#options.requestTimeoutMs }, // gRPC compares it with the real time.
      (error, body = Buffer.alloc(0)) => {
        if (error === null) return resolve({ protocol: 'grpc', code: 0, message: '', details: undefined, body });
        if (isAnswered || Object.keys(error.metadata.getMap()).length > 0) return resolve(responseOf(error));
        reject(signal.aborted ? signal.reason : this.#failure(error));
      },
    );
    call.on('metadata', () => {
      isAnswered = true;
    });
    const abort = () => call.cancel();
    signal.addEventListener('abort', abort, { once: true });
    this.#inFlight.add(abort);
    try {
      const response = await promise;
      signal.throwIfAborted();
      return response;
    } finally {
      signal.removeEventListener('abort', abort);
      this.#inFlight.delete(abort);
      if (this.#inFlight.size === 0) this.#onIdle?.();
    }
  }

  async close(): Promise<void> {
    if (this.#inFlight.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    this.#client.close();
    this.#credentials.closeSockets();
  }

  async destroy(): Promise<void> {
    for (const abort of this.#inFlight) abort();
    this.#client.close();
    this.#credentials.closeSockets();
  }

  /** The error of a call that got no answer, in the terms of the transport's contract. */
  #failure({ code, details }: ServiceError): Error {
    const isConnected = !/^(No connection established|Name resolution failed)|Waiting for LB pick/.test(details);
    if (code === status.DEADLINE_EXCEEDED) {
      if (isConnected) return new DOMException('no response in time', 'TimeoutError');
      return withCode(`no connection within ${this.#options.requestTimeoutMs} ms`, 'ERR_GRPC_NOT_CONNECTED');
    }
    if (isConnected) return withCode(details, 'ERR_GRPC_CONNECTION_LOST');
    if (this.#credentials.lastError !== undefined) return this.#credentials.lastError;
    const words = details
      .replace(/^No connection established\. Last error: /, '')
      .replace(/\. Resolution note: .*/, '');
    const [systemCode] = /\bE[A-Z]{4,}\b/.exec(words) ?? [];
    if (systemCode !== undefined) return withCode(words.replace(/^Error: /, ''), systemCode);
    if (/^Name resolution failed/.test(words)) return withCode(words, 'ENOTFOUND');
    // What remains is a peer that does not speak HTTP/2, or that closes the connection before it does.
    return withCode(words.replace(/ \(\d{4}-.*\)$/, ''), 'ERR_GRPC_NO_HTTP2');
  }
}

function responseOf({ code, details, metadata }: ServiceError): GrpcResponse {
  const [statusDetails] = metadata.get('grpc-status-details-bin');
  return {
    protocol: 'grpc',
    code,
    message: details,
    details: typeof statusDetails === 'string' ? undefined : statusDetails,
    body: Buffer.alloc(0),
  };
}

/** Without a copy. */
function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function withCode(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
