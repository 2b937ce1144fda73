/**
 * Options for the exporter: OpenTelemetry's standard variables (OpenTelemetry specification, protocol/exporter.md) and ours.
 * Schemas parse one variable each; `resolveExportOptions` gives the `_LOGS_` form precedence over the general one.
 */
import type { z } from 'zod';
import { bad, good, type Parsed, variable, wholeNumber } from '../runtime/variable.ts';
import { parseDeadLetterLocation } from './dead-letters/location.ts';

export { type DeadLetterLocation, deadLetterDirectory } from './dead-letters/location.ts';

export type OtlpProtocol = 'http/protobuf' | 'http/json';
const compressions = ['none', 'gzip', 'zstd'] as const;
export type OtlpCompression = (typeof compressions)[number];

/** A file named by a variable. */
export interface NamedFile {
  readonly variable: string;
  readonly path: string;
}

export interface OtlpOptions {
  /** The request URL, including the path. */
  readonly url: string;
  /** Names in lower case. Values may be secrets and must never appear in logs or messages. */
  readonly headers: Readonly<Record<string, string>>;
  readonly protocol: OtlpProtocol;
  readonly compression: OtlpCompression;
  /** Timeout of a single attempt. */
  readonly requestTimeoutMs: number;
  readonly caFile: NamedFile | undefined;
  readonly clientCertificateFile: NamedFile | undefined;
  readonly clientKeyFile: NamedFile | undefined;
  readonly requestsInFlightMax: number;
  /** `User-Agent` of the requests. */
  readonly userAgent?: string | undefined;
}

const requestsInFlightDefault = 4;
const requestsInFlightLimit = 64;
/** The longest delay that a Node.js timer supports. */
const timeoutLimitMs = 2 ** 31 - 1;

const endpoint = variable((text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    return bad('expected an http:// or https:// URL, such as http://localhost:4318');
  }
  if (url.username !== '' || url.password !== '') {
    return bad(
      'expected a URL without user name and password (pass credentials in OTEL_EXPORTER_OTLP_HEADERS, as authorization=...)',
    );
  }
  return good(text);
});

const headers = variable((text) => parseHeaders(text));

const protocol = variable((text) => {
  if (text === 'http/protobuf' || text === 'http/json') return good<OtlpProtocol>(text);
  if (text === 'grpc') {
    return bad(
      'expected http/protobuf or http/json (only OTLP over HTTP is supported; its default port is 4318, not 4317)',
    );
  }
  return bad('expected http/protobuf or http/json');
});

const compression = variable((text) => {
  const known = compressions.find((name) => name === text);
  return known === undefined ? bad('expected none, gzip or zstd') : good(known);
});

const timeout = variable(wholeNumber(1, timeoutLimitMs));

const file = variable((text) => good(text));

/** The HTTP client sets these itself; a second value would break the request. */
const transportHeaders = ['connection', 'content-length', 'expect', 'keep-alive', 'transfer-encoding', 'upgrade'];

/** One schema per variable. An empty value counts as unset. */
export const exportOptions = {
  OTEL_LOGS_EXPORTER: variable((text) =>
    text === 'otlp' || text === 'console' ? good(text) : bad('expected otlp or console'),
  )
    .transform((value) => value ?? 'otlp')
    .describe(
      'Where to send records: `otlp` (the collector) or `console` (OTLP/JSON lines on standard output). Default `otlp`.',
    ),
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.describe(
    'Base URL of the collector; `/v1/logs` is appended. Default `http://localhost:4318`.',
  ),
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: endpoint.describe(
    'URL for logs, used unchanged; takes precedence over `OTEL_EXPORTER_OTLP_ENDPOINT`.',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: headers.describe(
    'Headers to send with every request, such as `authorization=Bearer%20abc,x-scope-orgid=audit`; values are percent-encoded.',
  ),
  OTEL_EXPORTER_OTLP_LOGS_HEADERS: headers.describe(
    'Headers for logs; merged with `OTEL_EXPORTER_OTLP_HEADERS`, over which they take precedence.',
  ),
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol.describe('`http/protobuf` or `http/json`. Default `http/protobuf`.'),
  OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: protocol.describe('The same for logs; takes precedence.'),
  OTEL_EXPORTER_OTLP_COMPRESSION: compression.describe(
    '`none`, `gzip` or `zstd`. `zstd` needs less CPU time, and the OpenTelemetry Collector supports it. Default `none`.',
  ),
  OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: compression.describe('The same for logs; takes precedence.'),
  OTEL_EXPORTER_OTLP_TIMEOUT: timeout.describe(
    'Timeout of a single attempt, in milliseconds. Requests are retried until the collector accepts or rejects them. Default `10000`.',
  ),
  OTEL_EXPORTER_OTLP_LOGS_TIMEOUT: timeout.describe('The same for logs; takes precedence.'),
  OTEL_EXPORTER_OTLP_CERTIFICATE: file.describe(
    "PEM file of the CA that signed the collector's certificate. This file, the client certificate and the client key are reloaded when they change.",
  ),
  OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE: file.describe('The same for logs; takes precedence.'),
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: file.describe('PEM file of the client certificate (or chain) for mutual TLS.'),
  OTEL_EXPORTER_OTLP_LOGS_CLIENT_CERTIFICATE: file.describe('The same for logs; takes precedence.'),
  OTEL_EXPORTER_OTLP_CLIENT_KEY: file.describe('PEM file of the private key of the client certificate.'),
  OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY: file.describe('The same for logs; takes precedence.'),
  DATABRICKS_AUDIT_DEAD_LETTERS: variable(parseDeadLetterLocation).describe(
    'Directory, or `s3://bucket/prefix`, for the records that the collector permanently rejected; see [dead letters](operations.md#dead-letters-in-a-bucket). A state that replicas share requires a bucket. Default `<state>/dead-letters`.',
  ),
  DATABRICKS_AUDIT_AGAINST_HEADERS: headers.describe(
    'Headers for the backend of `reconcile --against`, in the same format as `OTEL_EXPORTER_OTLP_HEADERS`.',
  ),
  DATABRICKS_AUDIT_MAX_IN_FLIGHT: variable(wholeNumber(1, requestsInFlightLimit))
    .transform((value) => value ?? requestsInFlightDefault)
    .describe(
      `Maximum number of requests in flight, 1 to ${requestsInFlightLimit}. Default \`${requestsInFlightDefault}\`.`,
    ),
} as const;

/** The parsed values of `exportOptions`. */
export type ExportVariables = {
  readonly [Name in keyof typeof exportOptions]: z.output<(typeof exportOptions)[Name]>;
};

/** The effective values for logs: first the `_LOGS_` form, then the general one, then the specification's default. */
export function resolveExportOptions(variables: ExportVariables): OtlpOptions {
  return {
    url:
      variables.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT ??
      appendLogsPath(variables.OTEL_EXPORTER_OTLP_ENDPOINT ?? 'http://localhost:4318'),
    headers: { ...variables.OTEL_EXPORTER_OTLP_HEADERS, ...variables.OTEL_EXPORTER_OTLP_LOGS_HEADERS },
    protocol: variables.OTEL_EXPORTER_OTLP_LOGS_PROTOCOL ?? variables.OTEL_EXPORTER_OTLP_PROTOCOL ?? 'http/protobuf',
    compression: variables.OTEL_EXPORTER_OTLP_LOGS_COMPRESSION ?? variables.OTEL_EXPORTER_OTLP_COMPRESSION ?? 'none',
    requestTimeoutMs: variables.OTEL_EXPORTER_OTLP_LOGS_TIMEOUT ?? variables.OTEL_EXPORTER_OTLP_TIMEOUT ?? 10_000,
    caFile: pickFile(variables, 'CERTIFICATE'),
    clientCertificateFile: pickFile(variables, 'CLIENT_CERTIFICATE'),
    clientKeyFile: pickFile(variables, 'CLIENT_KEY'),
    requestsInFlightMax: variables.DATABRICKS_AUDIT_MAX_IN_FLIGHT,
  };
}

function appendLogsPath(base: string): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/logs`;
  return url.href;
}

function pickFile(
  variables: ExportVariables,
  name: 'CERTIFICATE' | 'CLIENT_CERTIFICATE' | 'CLIENT_KEY',
): NamedFile | undefined {
  const candidates = [`OTEL_EXPORTER_OTLP_LOGS_${name}`, `OTEL_EXPORTER_OTLP_${name}`] as const;
  const variable = candidates.find((candidate) => variables[candidate] !== undefined);
  const path = variable === undefined ? undefined : variables[variable];
  return variable === undefined || path === undefined ? undefined : { variable, path };
}

/**
 * Parses the header list of the specification: percent-encoded `name=value` pairs as in W3C Baggage, without properties.
 * Messages never include a value.
 */
function parseHeaders(text: string): Parsed<Readonly<Record<string, string>>> {
  const parsed: Record<string, string> = {};
  for (const [index, pair] of text.split(',').entries()) {
    if (pair.trim() === '') continue;
    const separator = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, separator)).trim().toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) {
      return bad(
        `expected name=value pairs separated by commas; pair ${index + 1} has no valid header name before a =`,
      );
    }
    if (transportHeaders.includes(name)) return bad(`expected no header ${name} (the agent sets it itself)`);
    const value = percentDecoded(pair.slice(separator + 1).trim());
    if (value === undefined) return bad(`expected a percent-encoded value for header ${name} (write % as %25)`);
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      return bad(
        `expected a value without control characters and without characters outside Latin-1 for header ${name}`,
      );
    }
    parsed[name] = value;
  }
  return good(parsed);
}

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
