/**
 * Classifies rejections and failed connections, and says what the operator can do about them.
 *
 * OTLP calls 429, 502, 503 and 504 retryable and has a client drop the request on everything else. An audit log must not be
 * dropped because of a setting or a crash of the server, so only responses about the content of a request (400, 422, 413)
 * are final here; everything else is retried until it is accepted, or until the exporter has found that the content is at fault.
 */

import { AgentError, isAgentError } from '../model/agent-error.ts';
import type { ResponseCode } from '../model/response-code.ts';
import { proxyFor } from '../runtime/proxy.ts';
import { retryAfterMs } from '../runtime/retry-after.ts';
import type { ExportOutcome, MisconfiguredOutcome, UnavailableOutcome } from './export-outcome.ts';
import type { OtlpOptions } from './options.ts';
import type { HttpResponse } from './otlp-transport.ts';
import { readableText } from './readable-text.ts';
import { refusalHint } from './refusal-hints.ts';
import { isPage, serverMessage } from './server-message.ts';

/** Upper limit for Retry-After and RetryInfo: a wrong date must not stop shipping for a year. */
export const retryLaterLimitMs = 5 * 60_000;
/** For errors that OTLP does not define as retryable, such as HTTP 500. */
export const slowRetryMs = 30_000;

const overloadStatuses = [408, 425, 429, 502, 503, 504];

export function httpCode(status: number): ResponseCode {
  return { protocol: 'http', code: status };
}

/** The outcome of a response other than success. */
export function httpFault(response: HttpResponse, options: OtlpOptions, nowMs: number): ExportOutcome {
  const { status } = response;
  const words = serverMessage(response.body);
  const reason = words === '' ? `HTTP ${status}` : `HTTP ${status}: ${words}`;
  if (status === 413) return { status: 'tooLarge', response: httpCode(status), reason };
  if ((status === 400 || status === 422) && !wantsTls(words))
    return { status: 'rejected', response: httpCode(status), reason };
  if (status < 500 && !overloadStatuses.includes(status)) return misconfigured(status, words, response, options);
  return {
    status: 'unavailable',
    error: new AgentError('ERR_EXPORT_UNAVAILABLE', `${targetOf(options)} answered ${reason}`, {
      hint: `${refusalHint(words) ?? "Check the collector's log."} Nothing is lost: the request is retried until it is accepted.`,
    }),
    response: httpCode(status),
    waitAtLeastMs: Math.max(
      overloadStatuses.includes(status) ? 0 : slowRetryMs,
      retryLaterMs(response.headers['retry-after'], nowMs),
    ),
    requestSeen: true,
  };
}

/**
 * A 400 that is not about the records.
 * @param known that an empty request gets it as well, or that nothing was accepted yet.
 */
export function settingFault(
  { response, reason }: Extract<ExportOutcome, { status: 'rejected' | 'tooLarge' }>,
  options: OtlpOptions,
  known: 'empty' | 'nothing' = 'empty',
): MisconfiguredOutcome {
  const told = known === 'empty' ? 'also to a request without records' : 'and has accepted no record yet';
  const message = `${targetOf(options)} answered ${reason}, ${told}`;
  const error = new AgentError('ERR_EXPORT_MISCONFIGURED', message, { hint: rejectedRequestHint(options) });
  return { status: 'misconfigured', error, response };
}

/** What can be wrong with a request whose records are fine. */
export function rejectedRequestHint({ protocol, compression }: OtlpOptions): string {
  const other = protocol === 'http/protobuf' ? 'http/json' : 'http/protobuf';
  const uncompressed = compression === 'none' ? '' : ', OTEL_EXPORTER_OTLP_COMPRESSION=none';
  return `Check the headers (tenant), or try OTEL_EXPORTER_OTLP_PROTOCOL=${other}${uncompressed}.`;
}

/** The outcome of a request without a response. */
export function connectionFault(error: unknown, options: OtlpOptions): UnavailableOutcome | MisconfiguredOutcome {
  if (isAgentError(error, 'ERR_CONFIGURATION')) return certificateFault(error);
  const code = codeOf(error);
  const words = readableText(wordsOf(error, options));
  const message = `${targetOf(options)} could not be reached: ${words}`;
  if (isTlsFault(code)) {
    const hint = tlsHint(code, options);
    const fault = new AgentError('ERR_EXPORT_MISCONFIGURED', message, { cause: error, hint });
    return { status: 'misconfigured', error: fault, response: undefined };
  }
  const requestSeen = !noConnectionCodes.has(code);
  return {
    status: 'unavailable',
    error: new AgentError('ERR_EXPORT_UNAVAILABLE', message, {
      cause: error,
      hint: unreachableHint(error, options, requestSeen),
    }),
    response: undefined,
    waitAtLeastMs: 0,
    requestSeen,
  };
}

/** A certificate or key was replaced by an unusable one. It may be half written, in which case the next attempt succeeds. */
function certificateFault(cause: AgentError): UnavailableOutcome {
  const error = new AgentError('ERR_EXPORT_UNAVAILABLE', `A certificate or key file has changed; ${cause.message}`, {
    cause,
    hint: `${cause.hint} The file is read again at the next attempt.`,
  });
  return { status: 'unavailable', error, response: undefined, waitAtLeastMs: 0, requestSeen: false };
}

/** Scheme, host and path only: user, password and query may be secrets. gRPC has no path. */
export function targetOf(options: OtlpOptions): string {
  const url = new URL(options.url);
  return options.protocol === 'grpc' ? url.origin : `${url.origin}${url.pathname}`;
}

function misconfigured(
  status: number,
  words: string,
  response: HttpResponse,
  options: OtlpOptions,
): MisconfiguredOutcome {
  const reason = words === '' ? '' : `: ${words}`;
  const error = new AgentError('ERR_EXPORT_MISCONFIGURED', `${targetOf(options)} answered HTTP ${status}${reason}`, {
    hint: settingHint(status, words, response, options),
  });
  return { status: 'misconfigured', error, response: httpCode(status), isPage: isPage(response.body) };
}

/** A denial although an empty request passes. */
export function mayBeContentFault({ error }: MisconfiguredOutcome): AgentError {
  return new AgentError('ERR_EXPORT_MISCONFIGURED', `${error.message}; an empty request is accepted`, {
    cause: error,
    hint: `A firewall or proxy may dislike the content of a record, or the collector's own credentials for its backend may be wrong. ${error.hint ?? ''}`.trim(),
  });
}

function settingHint(status: number, words: string, response: HttpResponse, options: OtlpOptions): string {
  if (wantsTls(words)) return 'Use https:// in OTEL_EXPORTER_OTLP_ENDPOINT: the port expects TLS.';
  if (status < 300) return `The response is a web page, so this is not an OTLP receiver. ${pathHint}`;
  if (status < 400) {
    const location = readableText(String(response.headers.location ?? 'another address'), 200);
    return `Redirects are not followed. If ${location} is correct, use it as the endpoint. ${pathHint}`;
  }
  switch (status) {
    case 401:
    case 403:
      return credentialsHint;
    case 404:
    case 405:
      return pathHint;
    case 407:
      return 'The proxy in HTTP_PROXY or HTTPS_PROXY requires credentials. To bypass the proxy, add the collector to NO_PROXY.';
    case 415: {
      const other = options.protocol === 'http/json' ? 'http/protobuf' : 'http/json';
      return `Try OTEL_EXPORTER_OTLP_PROTOCOL=${other}, or OTEL_EXPORTER_OTLP_COMPRESSION=none.`;
    }
    default:
      return 'Check the endpoint, the headers, and any proxy between the agent and the collector.';
  }
}

export const credentialsHint =
  'Check OTEL_EXPORTER_OTLP_HEADERS (authorization, tenant) and the permissions of that identity.';

const pathHint =
  'A Collector accepts logs at /v1/logs, Loki at /otlp/v1/logs. /v1/logs is appended to OTEL_EXPORTER_OTLP_ENDPOINT; ' +
  'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is used unchanged.';

/** Go servers and nginx answer plain HTTP on a TLS port with a 400, which is no verdict on the records. */
function wantsTls(words: string): boolean {
  return /HTTP request (was sent )?to (an )?HTTPS/i.test(words);
}

/** 0 without a usable Retry-After. */
function retryLaterMs(header: string | string[] | undefined, nowMs: number): number {
  return Math.min(retryAfterMs(typeof header === 'string' ? header : undefined, nowMs) ?? 0, retryLaterLimitMs);
}

/** With these, no byte of the request can have reached the server. */
const noConnectionCodes: ReadonlySet<string> = new Set([
  'ERR_GRPC_NOT_CONNECTED',
  'ERR_GRPC_NO_HTTP2',
  'ERR_PROXY_REFUSED',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** OpenSSL's verification errors and Node.js's own (nodejs.org/api/tls.html#x509-certificate-error-codes). */
function isTlsFault(code: string): boolean {
  return /^(ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA$|INVALID_PURPOSE$|PATH_LENGTH_|HOSTNAME_MISMATCH$)/.test(
    code,
  );
}

function tlsHint(code: string, { protocol }: OtlpOptions): string {
  if (code.includes('NO_APPLICATION_PROTOCOL')) return protocol === 'grpc' ? httpPortHint : grpcPortHint;
  if (code === 'EPROTO' || code.includes('WRONG_VERSION_NUMBER') || code.includes('PACKET_LENGTH')) {
    return 'The port does not use TLS: use http:// in OTEL_EXPORTER_OTLP_ENDPOINT, or the correct port.';
  }
  if (code.includes('ALERT')) {
    return 'The collector rejected the client: check OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _CLIENT_KEY.';
  }
  return "Check the collector's certificate, and that OTEL_EXPORTER_OTLP_CERTIFICATE is the CA that signed it.";
}

function unreachableHint(error: unknown, options: OtlpOptions, connected: boolean): string {
  const { protocol, url, clientCertificateFile } = options;
  if (protocol !== 'grpc' && (new URL(url).port === '4317' || isHttp2(error))) return grpcPortHint;
  if (protocol === 'grpc' && new URL(url).port === '4318') return httpPortHint;
  if (codeOf(error) === 'ERR_PROXY_REFUSED') return proxyHint;
  const noHttp2 = codeOf(error) === 'ERR_GRPC_NO_HTTP2';
  const anonymousTls = url.startsWith('https:') && clientCertificateFile === undefined;
  if ((connected || noHttp2) && anonymousTls) {
    // In TLS 1.3, a server that requires a client certificate often just closes the connection.
    return 'If the collector requires a client certificate, set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _CLIENT_KEY.';
  }
  if (noHttp2)
    return url.startsWith('https:') ? httpPortHint : `${httpPortHint} If the port expects TLS, use https://.`;
  const proxy = connected ? undefined : proxyFor(new URL(url));
  if (proxy !== undefined)
    return `The request goes through the proxy ${new URL(proxy).host} (HTTP_PROXY or HTTPS_PROXY): check that it is running. To bypass it, add the collector to NO_PROXY.`;
  const over = protocol === 'grpc' ? 'gRPC' : 'HTTP';
  const tls = connected ? ' If the port expects TLS, use https://.' : '';
  return `Check that the collector is running and listens for OTLP over ${over} at OTEL_EXPORTER_OTLP_ENDPOINT.${tls}`;
}

const grpcPortHint =
  'This is a port for gRPC (4317 is the usual one); OTLP over HTTP uses 4318. Change OTEL_EXPORTER_OTLP_ENDPOINT, or set ' +
  'OTEL_EXPORTER_OTLP_PROTOCOL=grpc.';

const httpPortHint =
  'The port does not speak gRPC: OTLP over gRPC uses 4317, OTLP over HTTP 4318. Change OTEL_EXPORTER_OTLP_ENDPOINT, or set ' +
  'OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf.';

const proxyHint =
  'The proxy in HTTP_PROXY or HTTPS_PROXY does not permit the connection. To bypass it, add the collector to NO_PROXY.';

/** A server of gRPC begins every connection with a SETTINGS frame (RFC 9113, section 6.5), which is no HTTP/1.1 response. */
function isHttp2(error: unknown): boolean {
  const data = error instanceof Error && 'data' in error ? String(error.data) : '';
  return data.startsWith('\0\0') && data[3] === '\x04';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function wordsOf(error: unknown, options: OtlpOptions): string {
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return `no response within ${options.requestTimeoutMs} ms`;
  // localhost has two addresses; an AggregateError of both has no message.
  if (error instanceof AggregateError) return error.errors.map((one) => wordsOf(one, options)).join(', ');
  return error instanceof Error ? error.message : String(error);
}
