/**
 * What a gRPC status other than OK means, in the terms of the exporter. As over HTTP, only statuses about the content of a request are
 * final (docs/decisions/0011-retry-what-otlp-calls-final.md).
 */
import { AgentError } from '../model/agent-error.ts';
import { type GrpcStatusName, grpcStatusName, type ResponseCode, responseCodeText } from '../model/response-code.ts';
import { credentialsHint, retryLaterLimitMs, slowRetryMs, targetOf } from './collector-faults.ts';
import type { ExportOutcome, MisconfiguredOutcome } from './export-outcome.ts';
import type { OtlpOptions } from './options.ts';
import type { GrpcResponse } from './otlp-transport.ts';
import { protobufFields } from './protobuf-fields.ts';
import { readableText } from './readable-text.ts';
import { refusalHint } from './refusal-hints.ts';

/** opentelemetry-proto, docs/specification.md, "Failures". RESOURCE_EXHAUSTED belongs to them if it comes with RetryInfo. */
const retryableStatuses: readonly (GrpcStatusName | undefined)[] = [
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNAVAILABLE',
  'DATA_LOSS',
];

/** The outcome of a response other than OK. */
export function grpcFault(answer: GrpcResponse, options: OtlpOptions): ExportOutcome {
  const response: ResponseCode = { protocol: 'grpc', code: answer.code };
  const status = grpcStatusName(answer.code);
  const words = readableText(answer.message);
  const reason = words === '' ? responseCodeText(response) : `${responseCodeText(response)}: ${words}`;
  if (isTooLarge(status, words)) return { status: 'tooLarge', response, reason };
  if (status === 'INVALID_ARGUMENT') return { status: 'rejected', response, reason };
  const hint = settingHint(status, words);
  if (hint !== undefined) return misconfigured(reason, response, hint, options);
  const retryDelayMs = retryInfoMs(answer.details);
  const isSlow = retryDelayMs === undefined && !retryableStatuses.includes(status);
  return {
    status: 'unavailable',
    error: new AgentError('ERR_EXPORT_UNAVAILABLE', `${targetOf(options)} answered ${reason}`, {
      hint: `${refusalHint(words) ?? "Check the collector's log."} Nothing is lost: the request is retried until it is accepted.`,
    }),
    response,
    waitAtLeastMs: isSlow ? slowRetryMs : Math.min(retryDelayMs ?? 0, retryLaterLimitMs),
    requestSeen: true,
  };
}

/**
 * In the words of the implementations: Go and C++ `received message larger than max`, Java `gRPC message exceeds maximum size`, .NET
 * `message exceeds the maximum configured message size`, Rust `message length too large`, which comes as OUT_OF_RANGE.
 */
function isTooLarge(status: GrpcStatusName | undefined, words: string): boolean {
  return (
    (status === 'RESOURCE_EXHAUSTED' || status === 'OUT_OF_RANGE') &&
    /message (after decompression )?larger than|message exceeds( the)? maximum|message( length)? too large|decompresses to a size larger/i.test(
      words,
    )
  );
}

function misconfigured(
  reason: string,
  response: ResponseCode,
  hint: string,
  options: OtlpOptions,
): MisconfiguredOutcome {
  const error = new AgentError('ERR_EXPORT_MISCONFIGURED', `${targetOf(options)} answered ${reason}`, { hint });
  return { status: 'misconfigured', error, response };
}

/** Undefined if no setting is at fault. */
function settingHint(status: GrpcStatusName | undefined, words: string): string | undefined {
  switch (status) {
    case 'UNAUTHENTICATED':
    case 'PERMISSION_DENIED':
      return credentialsHint;
    case 'UNIMPLEMENTED':
      // In the words of Go and Java.
      if (/decompressor|grpc-encoding|compress/i.test(words)) return 'Try OTEL_EXPORTER_OTLP_COMPRESSION=none.';
      return notOtlpHint;
    case 'NOT_FOUND':
      return notOtlpHint;
    default:
      // gRPC's words for a response that has an HTTP status and no status of gRPC (grpc/doc/http-grpc-status-mapping.md).
      return /^Received HTTP status code (3|4(?!29))/.test(words) ? notOtlpHint : undefined;
  }
}

const notOtlpHint =
  'The server does not accept OTLP logs over gRPC at this address: a Collector listens for gRPC on port 4317 and for HTTP on 4318. ' +
  'Change OTEL_EXPORTER_OTLP_ENDPOINT, or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf.';

/**
 * The delay in a google.rpc.RetryInfo, in milliseconds; undefined if there is none.
 * Status.details = 3, Any.type_url = 1, Any.value = 2, RetryInfo.retry_delay = 1, Duration.seconds = 1, Duration.nanos = 2
 * (googleapis, google/rpc/status.proto and error_details.proto).
 */
function retryInfoMs(status: Uint8Array | undefined): number | undefined {
  for (const detail of messagesOf(status, 3)) {
    const [type] = messagesOf(detail, 1);
    if (type === undefined || !Buffer.from(type).toString().endsWith('/google.rpc.RetryInfo')) continue;
    const [retryInfo] = messagesOf(detail, 2);
    const [delay] = messagesOf(retryInfo, 1);
    // A delay of zero is an empty message, or none.
    return numberOf(delay, 1) * 1000 + Math.ceil(numberOf(delay, 2) / 1_000_000);
  }
  return undefined;
}

function messagesOf(message: Uint8Array | undefined, number: number): Uint8Array[] {
  return [...protobufFields(message ?? new Uint8Array())].flatMap((field) =>
    field.number === number && typeof field.value !== 'number' ? [field.value] : [],
  );
}

function numberOf(message: Uint8Array | undefined, number: number): number {
  const field = [...protobufFields(message ?? new Uint8Array())].findLast((each) => each.number === number);
  return typeof field?.value === 'number' ? field.value : 0;
}
