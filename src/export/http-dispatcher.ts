/**
 * Keep-alive connections to the collector, with the configured certificates.
 */
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { AgentError, messageOf } from '../model/agent-error.ts';
import { proxyFor } from '../runtime/proxy.ts';
import type { NamedFile, OtlpOptions } from './options.ts';

/** A host that takes longer than this to connect is considered unreachable. */
const connectTimeoutLimitMs = 5_000;

/**
 * Provides a dispatcher with the certificates that are on disk now: cert-manager, SPIFFE and the like replace them at run time.
 * After a change, new connections are opened; requests in flight keep theirs.
 */
export class HttpDispatchers {
  readonly #options: OtlpOptions;
  #current: Dispatcher;
  /** Versions of the files that the current dispatcher was created from. */
  #fileVersions: string;
  /** Replaced dispatchers that still have requests in flight. */
  readonly #retired = new Set<Dispatcher>();

  /** Throws ERR_CONFIGURATION if a certificate or key cannot be used. */
  constructor(options: OtlpOptions) {
    this.#options = options;
    this.#fileVersions = fileVersions(options);
    this.#current = createHttpDispatcher(options);
  }

  /** Throws ERR_CONFIGURATION if a changed certificate or key cannot be used, for example because it is half written. */
  current(): Dispatcher {
    const versions = fileVersions(this.#options);
    if (versions === this.#fileVersions) return this.#current;
    const renewed = createHttpDispatcher(this.#options);
    this.#retire(this.#current);
    this.#current = renewed;
    this.#fileVersions = versions;
    return renewed;
  }

  /** Aborts requests in flight. */
  async destroy(): Promise<void> {
    await Promise.all([this.#current, ...this.#retired].map((dispatcher) => dispatcher.destroy()));
  }

  #retire(dispatcher: Dispatcher): void {
    this.#retired.add(dispatcher);
    const forget = () => void this.#retired.delete(dispatcher);
    dispatcher.close().then(forget, forget);
  }
}

function fileVersions({ caFile, clientCertificateFile, clientKeyFile }: OtlpOptions): string {
  return [caFile, clientCertificateFile, clientKeyFile].map(fileVersion).join();
}

function fileVersion(file: NamedFile | undefined): string {
  if (file === undefined) return '';
  try {
    const { dev, ino, size, mtimeNs } = statSync(file.path, { bigint: true });
    return [dev, ino, size, mtimeNs].join('-');
  } catch {
    return 'none'; // Reading the file reports the reason.
  }
}

function createHttpDispatcher(options: OtlpOptions): Dispatcher {
  const timeout = Math.min(options.requestTimeoutMs, connectTimeoutLimitMs);
  const connect = { timeout, ...readCertificates(options) };
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

function readCertificates(options: OtlpOptions): { ca?: Buffer; cert?: Buffer; key?: Buffer } {
  const { caFile, clientCertificateFile, clientKeyFile } = options;
  if ((clientCertificateFile === undefined) !== (clientKeyFile === undefined)) {
    const given = clientCertificateFile?.variable ?? clientKeyFile?.variable;
    throw new AgentError('ERR_CONFIGURATION', `${given} is set without its counterpart`, {
      hint: 'A client certificate needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY.',
    });
  }
  const ca = readPem(caFile, (pem) => createSecureContext({ ca: pem }));
  const cert = readPem(clientCertificateFile, (pem) => createSecureContext({ cert: pem }));
  const key = readPem(clientKeyFile, (pem) =>
    createSecureContext({ key: pem, ...(cert === undefined ? {} : { cert }) }),
  );
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function readPem(file: NamedFile | undefined, check: (pem: Buffer) => void): Buffer | undefined {
  if (file === undefined) return undefined;
  try {
    const pem = readFileSync(file.path);
    // OpenSSL accepts a file without any PEM block as an empty list of CAs.
    if (!pem.includes('-----BEGIN ')) throw new Error('it does not contain a PEM block');
    check(pem);
    return pem;
  } catch (cause) {
    throw new AgentError('ERR_CONFIGURATION', `${file.variable}: cannot use ${file.path}: ${messageOf(cause)}`, {
      cause,
      hint: 'It must be a readable file in PEM format, and a client key must belong to the client certificate.',
    });
  }
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
