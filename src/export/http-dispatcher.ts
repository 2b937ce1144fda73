/**
 * The connections to the collector: kept alive, with the certificates that the configuration names.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { AgentError, messageOf } from '../model/agent-error.ts';
import type { NamedFile, OtlpOptions } from './options.ts';

/** A host that takes longer to open a connection is not there. */
const connectTimeoutLimitMs = 5_000;

/** Throws ERR_CONFIGURATION when a certificate or key cannot be used. */
export function createHttpDispatcher(options: OtlpOptions): Dispatcher {
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
  // HTTP_PROXY and the like are for what is outside; a sidecar is not behind them.
  if (isLoopback(new URL(options.url).hostname)) return new Agent(settings);
  return new EnvHttpProxyAgent({ ...settings, requestTls: connect });
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
