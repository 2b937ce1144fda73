/**
 * How one request travels to the collector and how its response comes back. A transport neither interprets a response nor retries:
 * what a response means is decided in otlp-client.ts, and what happens to the records in otlp-exporter.ts.
 */

export interface OtlpTransport {
  /**
   * Sends an ExportLogsServiceRequest, compressed as configured, and returns what the server answered, whatever it is.
   *
   * Without an answer it rejects: with the error of the network, whose `code` is that of Node.js or OpenSSL or one of
   * `noConnectionCodes`; with ERR_CONFIGURATION if a changed certificate cannot be used; with a DOMException named TimeoutError if
   * the attempt takes longer than `requestTimeoutMs`; or with the signal's reason.
   */
  exchange(request: Uint8Array, signal: AbortSignal): Promise<OtlpResponse>;
  /** Aborts requests in flight. */
  close(): Promise<void>;
}

export type OtlpResponse = HttpResponse | GrpcResponse;

export interface HttpResponse {
  readonly protocol: 'http';
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Truncated at the size limit. */
  readonly body: Uint8Array;
}

export interface GrpcResponse {
  readonly protocol: 'grpc';
  /** grpc.github.io/grpc/core/md_doc_statuscodes.html; 0 is OK. */
  readonly code: number;
  readonly message: string;
  /** The google.rpc.Status of `grpc-status-details-bin`. */
  readonly details: Uint8Array | undefined;
  /** The ExportLogsServiceResponse; empty unless `code` is 0. */
  readonly body: Uint8Array;
}

/** The limit that OTLP recommends for clients (opentelemetry-proto, docs/specification.md, "OTLP/HTTP response"). */
export const responseBytesMax = 4 * 1024 * 1024;
