/**
 * What receivers of OTLP over HTTP and gRPC have in common: they store what they accept, keep every request, and answer as a test
 * tells them. They never acknowledge a record that they did not store.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import type { OtlpLogRecord, OtlpResource } from './otlp-decode.ts';

export interface ReceivedRecord {
  /** The attribute `log.record.uid`. */
  readonly uid: string | undefined;
  /** The body, if it is a string. */
  readonly body: string | undefined;
  readonly record: OtlpLogRecord;
  readonly resource: OtlpResource | undefined;
  /** Resource, scope and record as JSON with sorted keys. */
  readonly json: string;
  /** SHA-256 of the encoded LogRecord, to compare records byte for byte. */
  readonly bytesHash: string;
}

/** @typeParam Answer what a receiver of this protocol can answer. */
export interface ReceivedRequest<Answer> {
  /** Zero-based, in order of arrival. */
  readonly index: number;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The common name of the client certificate, if one was presented. */
  readonly clientName: string | undefined;
  /** The decompressed body. */
  readonly body: Buffer;
  /** Empty if the body is not a valid request. */
  readonly records: readonly ReceivedRecord[];
  /** The chosen answer; set once it is decided. */
  answer: Answer | undefined;
}

export interface Receiver<Answer> {
  /** The URL without a path, for OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  readonly port: number;
  /** All requests in order of arrival. */
  readonly requests: readonly ReceivedRequest<Answer>[];
  /** All stored records in order; a record that arrived twice is listed twice. */
  readonly accepted: readonly ReceivedRecord[];
  /** The `log.record.uid` of every stored record. */
  acceptedUids(): string[];
  /** Answers for the next requests, one each; they take precedence over `answerWhen`. */
  answerNext(...next: readonly Answer[]): void;
  /** Answers every matching request like this until the returned function is called; the newest rule wins. */
  answerWhen(matches: (request: ReceivedRequest<Answer>) => boolean, answer: Answer): () => void;
  /** Discards everything set by `answerNext` and `answerWhen`. */
  acceptAgain(): void;
  /** Resolves once this many requests have arrived in total. */
  requestCount(count: number): Promise<void>;
  /** Closes all connections. To simulate recovery, start another receiver on the same port. */
  close(): Promise<void>;
}

export interface ReceiverLedger<Answer> {
  /** The part of the receiver that does not depend on the protocol. */
  readonly shared: Omit<Receiver<Answer>, 'url' | 'port' | 'close'>;
  store(records: readonly ReceivedRecord[]): Promise<void>;
  /** Adds the request, and returns the answer that the test wants for it, if any. */
  arrived(request: Omit<ReceivedRequest<Answer>, 'index' | 'answer'>): {
    readonly request: ReceivedRequest<Answer>;
    readonly chosen: Answer | undefined;
  };
  close(): Promise<void>;
}

/** @param acceptedFile accepted records are written to this file as JSON lines and synced to disk before they are acknowledged. */
export async function openLedger<Answer>(acceptedFile: string | undefined): Promise<ReceiverLedger<Answer>> {
  const requests: ReceivedRequest<Answer>[] = [];
  const accepted: ReceivedRecord[] = [];
  const next: Answer[] = [];
  const rules: { matches: (request: ReceivedRequest<Answer>) => boolean; answer: Answer }[] = [];
  const waiting = new Set<() => void>();
  const file = acceptedFile === undefined ? undefined : await open(acceptedFile, 'a');
  return {
    async store(records) {
      if (file !== undefined) await appendDurably(file, records);
      accepted.push(...records);
    },
    arrived(received) {
      const request = { ...received, index: requests.length, answer: undefined };
      requests.push(request);
      for (const wake of waiting) wake();
      return { request, chosen: next.shift() ?? rules.findLast((rule) => rule.matches(request))?.answer };
    },
    close: async () => await file?.close(),
    shared: {
      requests,
      accepted,
      acceptedUids: () => accepted.flatMap((record) => record.uid ?? []),
      answerNext: (...more) => void next.push(...more),
      answerWhen(matches, answer) {
        const rule = { matches, answer };
        rules.push(rule);
        return () => {
          const index = rules.indexOf(rule);
          if (index >= 0) rules.splice(index, 1);
        };
      },
      acceptAgain() {
        next.length = 0;
        rules.length = 0;
      },
      async requestCount(count) {
        while (requests.length < count) {
          await new Promise<void>((resolve) => {
            const wake = () => {
              waiting.delete(wake);
              resolve();
            };
            waiting.add(wake);
          });
        }
      },
    },
  };
}

async function appendDurably(file: FileHandle, records: readonly ReceivedRecord[]): Promise<void> {
  await file.appendFile(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  await file.datasync();
}
