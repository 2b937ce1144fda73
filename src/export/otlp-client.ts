/**
 * One attempt to deliver one request, and what the response means.
 *
 * The delegate of @opentelemetry/otlp-exporter-base is not used: its transport gets no AbortSignal, its callback reports only
 * success or an Error, and it turns a partial success into a success with a diagnostic message. All it would do here is call
 * `send`. Responses are parsed with the official package.
 */
import type { IExportLogsServiceResponse } from '@opentelemetry/otlp-transformer';
import { messageOf } from '../model/agent-error.ts';
import type { ResponseCode } from '../model/response-code.ts';
import type { Clock } from '../runtime/clock.ts';
import { connectionFault, httpCode, httpFault } from './collector-faults.ts';
import { createTransport } from './create-transport.ts';
import type { ExportOutcome } from './export-outcome.ts';
import { grpcFault } from './grpc-faults.ts';
import type { OtlpOptions } from './options.ts';
import type { GrpcResponse, HttpResponse, OtlpResponse, OtlpTransport } from './otlp-transport.ts';
import { readableText } from './readable-text.ts';

export interface OtlpClient {
  /** Rejects only with the signal's reason, if it aborts; anything that the network or the server does is an outcome. */
  send(body: Uint8Array, signal: AbortSignal): Promise<ExportOutcome>;
  /** Closes all connections, including those of requests in flight. */
  close(): Promise<void>;
}

/** Throws ERR_CONFIGURATION if a certificate or key cannot be used. */
export function createOtlpClient(
  options: OtlpOptions,
  clock: Clock,
  transport: OtlpTransport = createTransport(options),
): OtlpClient {
  return {
    async send(body, signal) {
      signal.throwIfAborted();
      try {
        return await outcomeOf(await transport.exchange(body, signal), options, clock.nowMs());
      } catch (error) {
        signal.throwIfAborted();
        return connectionFault(error, options);
      }
    },
    close: () => transport.close(),
  };
}

async function outcomeOf(response: OtlpResponse, options: OtlpOptions, nowMs: number): Promise<ExportOutcome> {
  if (response.protocol === 'grpc') return response.code === 0 ? outcomeOfOk(response) : grpcFault(response, options);
  return response.status < 300 ? outcomeOfSuccess(response, options) : httpFault(response, options, nowMs);
}

async function outcomeOfOk({ body }: GrpcResponse): Promise<ExportOutcome> {
  return await outcomeOfBody({ protocol: 'grpc', code: 0 }, body, 'protobuf');
}

async function outcomeOfSuccess(response: HttpResponse, options: OtlpOptions): Promise<ExportOutcome> {
  const contentType = String(response.headers['content-type'] ?? '');
  // A captive portal or a wrong path: no OTLP server answers with a web page, and nothing was stored. Frameworks label even an empty
  // body with a content type.
  if (response.body.length > 0 && /^text\/html/i.test(contentType)) return httpFault(response, options, 0);
  const encoding = /json/i.test(contentType) ? 'json' : 'protobuf';
  return await outcomeOfBody(httpCode(response.status), response.body, encoding);
}

/** @param body an ExportLogsServiceResponse. */
async function outcomeOfBody(
  response: ResponseCode,
  body: Uint8Array,
  encoding: 'json' | 'protobuf',
): Promise<ExportOutcome> {
  // Over HTTP, Loki (204) and others send an empty body. In protobuf, that is a message without a warning.
  if (body.length === 0) return { status: 'accepted', response, warning: undefined };
  try {
    // Loaded on demand: most responses are empty, and the package takes eight megabytes of memory.
    const { JsonLogsSerializer, ProtobufLogsSerializer } = await import('@opentelemetry/otlp-transformer');
    const serializer = encoding === 'json' ? JsonLogsSerializer : ProtobufLogsSerializer;
    return outcomeOfResponse(response, serializer.deserializeResponse(body));
  } catch (error) {
    const warning = `the body is not an OTLP response: ${readableText(messageOf(error), 100)}`;
    return { status: 'accepted', response, warning };
  }
}

/** A partial success that rejects nothing is a warning (opentelemetry-proto, docs/specification.md, "Partial Success"). */
function outcomeOfResponse(response: ResponseCode, parsed: IExportLogsServiceResponse | null): ExportOutcome {
  const { rejectedLogRecords, errorMessage } = parsed?.partialSuccess ?? {};
  const reason = typeof errorMessage === 'string' ? readableText(errorMessage) : '';
  // In JSON, a 64-bit number is a string. Round up a fraction that a faulty server sends, so that the counts add up.
  const rejectedCount = Math.ceil(Number(rejectedLogRecords ?? 0));
  if (rejectedCount > 0) return { status: 'partial', response, rejectedCount, reason };
  return { status: 'accepted', response, warning: reason === '' ? undefined : reason };
}
