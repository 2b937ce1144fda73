/**
 * Sends one request to the collector and returns the response, without interpreting it.
 */
import { request } from 'undici';
import type { OtlpResponse } from './collector-faults.ts';
import { HttpDispatchers } from './http-dispatcher.ts';
import type { OtlpOptions } from './options.ts';

export interface HttpTransport {
  /**
   * Rejects with the error of the network, with ERR_CONFIGURATION if a changed certificate cannot be used, with a DOMException
   * named TimeoutError if the attempt takes longer than `requestTimeoutMs`, or with the signal's reason.
   */
  post(headers: Readonly<Record<string, string>>, body: Uint8Array, signal: AbortSignal): Promise<OtlpResponse>;
  /** Aborts requests in flight. */
  close(): Promise<void>;
}

/** The limit that OTLP recommends for clients (opentelemetry-proto, docs/specification.md, "OTLP/HTTP response"). */
const responseBytesMax = 4 * 1024 * 1024;

/** Throws ERR_CONFIGURATION if a certificate or key cannot be used. */
export function createHttpTransport(options: OtlpOptions): HttpTransport {
  const dispatchers = new HttpDispatchers(options);
  return {
    async post(headers, body, signal) {
      const dispatcher = dispatchers.current();
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(options.requestTimeoutMs)]);
      const response = await request(options.url, { method: 'POST', headers, body, dispatcher, signal: deadline });
      return { status: response.statusCode, headers: response.headers, body: await readLimited(response.body) };
    },
    close: () => dispatchers.destroy(),
  };
}

async function readLimited(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes >= responseBytesMax) break;
  }
  return Buffer.concat(chunks).subarray(0, responseBytesMax);
}
