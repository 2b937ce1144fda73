/**
 * One attempt to deliver one request over OTLP/HTTP, and what the response means.
 *
 * The delegate of @opentelemetry/otlp-exporter-base is not used: its transport gets no AbortSignal, its callback reports only
 * success or an Error, and it turns a partial success into a success with a diagnostic message. All it would do here is call
 * `send`. Responses are parsed with the official package.
 */
import type { IExportLogsServiceResponse } from '@opentelemetry/otlp-transformer';
import { messageOf } from '../model/agent-error.ts';
import type { ResponseCode } from '../model/response-code.ts';
import type { Clock } from '../runtime/clock.ts';
import { connectionFault, httpCode, httpFault, type OtlpResponse } from './collector-faults.ts';
import { compress } from './compression.ts';
import type { ExportOutcome } from './export-outcome.ts';
import { createHttpTransport, type HttpTransport } from './http-transport.ts';
import type { OtlpOptions } from './options.ts';
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
  transport: HttpTransport = createHttpTransport(options),
): OtlpClient {
  const headers = requestHeaders(options);

  return {
    async send(body, signal) {
      signal.throwIfAborted();
      const payload = await compress(body, options.compression);
      try {
        const response = await transport.post(headers, payload, signal);
        return response.status < 300
          ? await outcomeOfSuccess(response, options)
          : httpFault(response, options, clock.nowMs());
      } catch (error) {
        signal.throwIfAborted();
        return connectionFault(error, options);
      }
    },
    close: () => transport.close(),
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

async function outcomeOfSuccess(response: OtlpResponse, options: OtlpOptions): Promise<ExportOutcome> {
  const contentType = String(response.headers['content-type'] ?? '');
  // Loki (204) and others send an empty body. Frameworks label even that with a content type, so look at the body first.
  if (response.body.length === 0)
    return { status: 'accepted', response: httpCode(response.status), warning: undefined };
  // A captive portal or a wrong path: no OTLP server answers with a web page, and nothing was stored.
  if (/^text\/html/i.test(contentType)) return httpFault(response, options, 0);
  try {
    // Loaded on demand: most responses are empty, and the package takes eight megabytes of memory.
    const { JsonLogsSerializer, ProtobufLogsSerializer } = await import('@opentelemetry/otlp-transformer');
    const serializer = /json/i.test(contentType) ? JsonLogsSerializer : ProtobufLogsSerializer;
    return outcomeOfResponse(httpCode(response.status), serializer.deserializeResponse(response.body));
  } catch (error) {
    const warning = `the body is not an OTLP response: ${readableText(messageOf(error), 100)}`;
    return { status: 'accepted', response: httpCode(response.status), warning };
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
