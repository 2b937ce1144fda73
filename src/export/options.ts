/**
 * Options for the exporter: OpenTelemetry's standard variables (OpenTelemetry specification, protocol/exporter.md) and ours.
 * Schemas parse one variable each; `resolveExportOptions` gives the `_LOGS_` form precedence over the general one.
 */
import type { z } from 'zod';
import { bad, good, type Parsed, variable, wholeNumber } from '../runtime/variable.ts';
import { parseDeadLetterLocation } from './dead-letters/location.ts';

export {
  type DeadLetterBucket,
  type DeadLetterDirectory,
  type DeadLetterLocation,
  deadLetterDirectory,
} from './dead-letters/location.ts';

const protocols = ['http/protobuf', 'http/json', 'grpc'] as const;
export type OtlpProtocol = (typeof protocols)[number];
const compressions = ['none', 'gzip', 'zstd'] as const;
export type OtlpCompression = (typeof compressions)[number];

/** A file named by a variable. */
export interface NamedFile {
  readonly variable: string;
  readonly path: string;
}

export interface OtlpOptions {
  /** The request URL, including the path. For gRPC, `http://host:port` or `https://host:port`. */
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

const expectedUrl = 'expected an http:// or https:// URL, such as http://localhost:4318';
const grpcScheme = /^grpcs?:\/\//i;

/** A URL or, for gRPC, also a name without a scheme. Which of them the protocol permits is checked in `exportProblems`. */
const endpoint = variable((text) => {
  if (grpcTarget.test(text)) return good(text);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (grpcScheme.test(text))
    return bad(
      'expected an http:// or https:// URL such as http://localhost:4317, with OTEL_EXPORTER_OTLP_PROTOCOL=grpc',
    );
  if (url === undefined || !hasHttpScheme(text)) return bad(expectedUrl);
  if (url.username !== '' || url.password !== '') {
    return bad(
      'expected a URL without user name and password (pass credentials in OTEL_EXPORTER_OTLP_HEADERS, as authorization=...)',
    );
  }
  return good(text);
});

/** `collector`, `collector:4317`, `[::1]:4317`, or the same as a name for gRPC's DNS resolver (grpc/doc/naming.md). */
const grpcTarget = /^(?:dns:(?:\/\/\/)?)?(?<authority>(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?)$/i;

function hasHttpScheme(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

const headers = variable((text) => parseHeaders(text));

const protocol = variable((text) => {
  const known = protocols.find((name) => name === text);
  return known === undefined ? bad('expected http/protobuf, http/json or grpc') : good(known);
});

/** In any case (OpenTelemetry specification, configuration/sdk-environment-variables.md, "Boolean value"). */
const insecure = variable((text) =>
  /^(true|false)$/i.test(text) ? good(text.toLowerCase() === 'true') : bad('expected true or false'),
);

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
    'Base URL of the collector; `/v1/logs` is appended. Default `http://localhost:4318`. With `grpc`, a URL without a path, or a host and port without a scheme; default `http://localhost:4317`.',
  ),
  OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: endpoint.describe(
    'URL for logs, used unchanged; takes precedence over `OTEL_EXPORTER_OTLP_ENDPOINT`. With `grpc`, in the same forms as that.',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: headers.describe(
    'Headers to send with every request, such as `authorization=Bearer%20abc,x-scope-orgid=audit`; values are percent-encoded.',
  ),
  OTEL_EXPORTER_OTLP_LOGS_HEADERS: headers.describe(
    'Headers for logs; merged with `OTEL_EXPORTER_OTLP_HEADERS`, over which they take precedence.',
  ),
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol.describe('`http/protobuf`, `http/json` or `grpc`. Default `http/protobuf`.'),
  OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: protocol.describe('The same for logs; takes precedence.'),
  OTEL_EXPORTER_OTLP_INSECURE: insecure.describe(
    'For `grpc` with an endpoint that has no scheme: `true` connects without TLS. With a scheme, `http` or `https` decides. Default `false`.',
  ),
  OTEL_EXPORTER_OTLP_LOGS_INSECURE: insecure.describe('The same for logs; takes precedence.'),
  OTEL_EXPORTER_OTLP_COMPRESSION: compression.describe(
    '`none`, `gzip` or, over HTTP only, `zstd`. `zstd` needs less CPU time, and the OpenTelemetry Collector supports it. Default `none`.',
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
  const effectiveProtocol = protocolOf(variables);
  return {
    url: effectiveProtocol === 'grpc' ? grpcUrl(variables) : httpUrl(variables),
    headers: { ...variables.OTEL_EXPORTER_OTLP_HEADERS, ...variables.OTEL_EXPORTER_OTLP_LOGS_HEADERS },
    protocol: effectiveProtocol,
    compression: variables.OTEL_EXPORTER_OTLP_LOGS_COMPRESSION ?? variables.OTEL_EXPORTER_OTLP_COMPRESSION ?? 'none',
    requestTimeoutMs: variables.OTEL_EXPORTER_OTLP_LOGS_TIMEOUT ?? variables.OTEL_EXPORTER_OTLP_TIMEOUT ?? 10_000,
    caFile: pickFile(variables, 'CERTIFICATE'),
    clientCertificateFile: pickFile(variables, 'CLIENT_CERTIFICATE'),
    clientKeyFile: pickFile(variables, 'CLIENT_KEY'),
    requestsInFlightMax: variables.DATABRICKS_AUDIT_MAX_IN_FLIGHT,
  };
}

export interface ExportProblem {
  readonly variable: keyof ExportVariables;
  readonly problem: string;
}

/** Values that are valid by themselves, but not with the protocol. A variable with a problem of its own is undefined here. */
export function exportProblems(variables: Partial<ExportVariables>): ExportProblem[] {
  const isGrpc = protocolOf(variables) === 'grpc';
  const endpoints = ['OTEL_EXPORTER_OTLP_LOGS_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'] as const;
  const set = endpoints.filter((name) => variables[name] !== undefined);
  // The general endpoint may be that of another signal.
  const problems = set.slice(0, 1).flatMap((variable): ExportProblem[] => {
    const text = variables[variable] ?? '';
    if (!isGrpc) return hasHttpScheme(text) ? [] : [{ variable, problem: expectedUrl }];
    const { pathname, search } = new URL(hasHttpScheme(text) ? text : 'http://none');
    return pathname + search === '/'
      ? []
      : [{ variable, problem: 'expected a URL without a path, because gRPC has none' }];
  });
  return isGrpc ? [...problems, ...grpcHeaderProblems(variables), ...grpcCompressionProblems(variables)] : problems;
}

function protocolOf(variables: Partial<ExportVariables>): OtlpProtocol {
  return variables.OTEL_EXPORTER_OTLP_LOGS_PROTOCOL ?? variables.OTEL_EXPORTER_OTLP_PROTOCOL ?? 'http/protobuf';
}

function grpcCompressionProblems(variables: Partial<ExportVariables>): ExportProblem[] {
  const names = ['OTEL_EXPORTER_OTLP_LOGS_COMPRESSION', 'OTEL_EXPORTER_OTLP_COMPRESSION'] as const;
  const set = names.find((name) => variables[name] !== undefined);
  if (set === undefined || variables[set] !== 'zstd') return [];
  return [{ variable: set, problem: 'expected none or gzip, because gRPC for Node.js has no zstd' }];
}

/** gRPC's metadata permits less than HTTP headers (grpc/doc/PROTOCOL-HTTP2.md, "Custom-Metadata"). */
function grpcHeaderProblems(variables: Partial<ExportVariables>): ExportProblem[] {
  const names = ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_LOGS_HEADERS'] as const;
  return names.flatMap((variable) =>
    Object.entries(variables[variable] ?? {}).flatMap(([name, value]): ExportProblem[] => {
      if (!/^[0-9a-z_.-]+$/.test(name) || /^grpc-|-bin$/.test(name)) {
        const problem = `expected a name that gRPC permits instead of ${name} (letters, digits, - _ and ., without grpc- in front or -bin at the end)`;
        return [{ variable, problem }];
      }
      if (/^[\x20-\x7e]*$/.test(value)) return [];
      return [
        { variable, problem: `expected a value in printable ASCII for header ${name}, because gRPC permits no other` },
      ];
    }),
  );
}

function httpUrl(variables: ExportVariables): string {
  return (
    variables.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT ??
    appendLogsPath(variables.OTEL_EXPORTER_OTLP_ENDPOINT ?? 'http://localhost:4318')
  );
}

/** The specification leaves the port of an endpoint without a scheme open; 4317 is the one of OTLP over gRPC. */
function grpcUrl(variables: ExportVariables): string {
  const text =
    variables.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT ?? variables.OTEL_EXPORTER_OTLP_ENDPOINT ?? 'http://localhost:4317';
  if (hasHttpScheme(text)) return new URL(text).origin;
  const isInsecure = variables.OTEL_EXPORTER_OTLP_LOGS_INSECURE ?? variables.OTEL_EXPORTER_OTLP_INSECURE ?? false;
  const authority = grpcTarget.exec(text)?.groups?.authority ?? text;
  const port = /:\d+$/.test(authority) ? '' : ':4317';
  return new URL(`${isInsecure ? 'http' : 'https'}://${authority}${port}`).origin;
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
