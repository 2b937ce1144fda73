/**
 * The connections to the collector: kept alive, with the certificates that the configuration names.
 */
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { AgentError, messageOf } from '../model/agent-error.ts';
import { proxyFor } from '../runtime/proxy.ts';
import type { NamedFile, OtlpOptions } from './options.ts';

/** A host that takes longer to open a connection is not there. */
const connectTimeoutLimitMs = 5_000;

/**
 * The dispatcher of the certificates as they are on the disk: cert-manager, SPIFFE and the like replace them while we run.
 * Connections are opened anew when they changed; a request that is under way keeps its connection.
 */
export class HttpDispatchers {
  readonly #options: OtlpOptions;
  #current: Dispatcher;
  /** Of the files that the current one was made from. */
  #fileVersions: string;
  /** Still busy with their last requests. */
  readonly #retired = new Set<Dispatcher>();

  /** Throws ERR_CONFIGURATION when a certificate or key cannot be used. */
  constructor(options: OtlpOptions) {
    this.#options = options;
    this.#fileVersions = fileVersions(options);
    this.#current = createHttpDispatcher(options);
  }

  /** Throws ERR_CONFIGURATION when one has changed into what cannot be used: it may be half written. */
  current(): Dispatcher {
    const versions = fileVersions(this.#options);
    if (versions === this.#fileVersions) return this.#current;
    const renewed = createHttpDispatcher(this.#options);
    this.#retire(this.#current);
    this.#current = renewed;
    this.#fileVersions = versions;
    return renewed;
  }

  /** Cuts what is under way. */
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
    return 'none'; // Reading it says why.
  }
}

function createHttpDispatcher(options: OtlpOptions): Dispatcher {
  const timeout = Math.min(options.requestTimeoutMs, connectTimeoutLimitMs);
  const connect = { timeout, ...readCertificates(options) };
  // One deadline covers the whole attempt (OTEL_EXPORTER_OTLP_TIMEOUT), so undici's own, one for each phase, are off.
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
    // OpenSSL takes a text without any PEM block for an empty list of authorities.
    if (!pem.includes('-----BEGIN ')) throw new Error('it holds no PEM block');
    check(pem);
    return pem;
  } catch (cause) {
    throw new AgentError('ERR_CONFIGURATION', `${file.variable}: cannot use ${file.path}: ${messageOf(cause)}`, {
      cause,
      hint: 'It has to be a readable file in PEM format, and a client key has to belong to the client certificate.',
    });
  }
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
