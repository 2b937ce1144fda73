/**
 * A real OTLP/HTTP logs receiver on a loopback port. It stores what it accepts, keeps every request, and can reproduce every response
 * observed from collectors, Loki and proxies. It never acknowledges a record that it did not store.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import protobuf from 'protobufjs';
import { decodeLogsRequest, type OtlpLogsRequest } from './otlp-decode.ts';
import {
  type ReceivedRequest as LedgerRequest,
  openLedger,
  type ReceivedRecord,
  type Receiver,
} from './receiver-ledger.ts';

export type { ReceivedRecord } from './receiver-ledger.ts';

export type ReceivedRequest = LedgerRequest<Answer>;

/** Created by `answers`. */
export type Answer =
  | { readonly kind: 'accept'; readonly warning?: string }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly text: string;
      readonly headers: Record<string, string>;
    }
  | { readonly kind: 'partial'; readonly rejectedCount: number; readonly text: string }
  | { readonly kind: 'refuseRecords'; readonly matches: (record: ReceivedRecord) => boolean; readonly text: string }
  | { readonly kind: 'loseAnswer' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'raw'; readonly bytes: string }
  | { readonly kind: 'acceptWith'; readonly body: string | Buffer; readonly contentType: string }
  | { readonly kind: 'hold'; readonly until: Promise<unknown>; readonly answer: Answer }
  | { readonly kind: 'late'; readonly delayMs: number; readonly answer: Answer };

export const answers = {
  /** 200, stores everything. A warning is sent as a partial success without rejected records. */
  accept: (warning?: string): Answer => (warning === undefined ? { kind: 'accept' } : { kind: 'accept', warning }),
  /** Stores nothing. Sends the text as a protobuf Status, like Loki and the Collector; see also `plain`. */
  status: (status: number, text = '', headers: Record<string, string> = {}): Answer => ({
    kind: 'status',
    status,
    text,
    headers,
  }),
  /** Stores nothing. Sends the text unchanged as the body. */
  plain: (status: number, text: string, headers: Record<string, string> = {}): Answer => ({
    kind: 'status',
    status,
    text,
    headers: { 'content-type': 'text/plain', ...headers },
  }),
  /** 200 with a partial success: does not store the last `rejectedCount` records. */
  partial: (rejectedCount: number, text = 'quota used up'): Answer => ({ kind: 'partial', rejectedCount, text }),
  /** Like Loki: answers 400 if a record matches but stores the other records of the request. Otherwise accepts. */
  refuseRecords: (matches: (record: ReceivedRecord) => boolean, text = 'line too long'): Answer => ({
    kind: 'refuseRecords',
    matches,
    text,
  }),
  /** Stores everything, then closes the connection without an answer. */
  loseAnswer: (): Answer => ({ kind: 'loseAnswer' }),
  /** Closes the connection and stores nothing. */
  cut: (): Answer => ({ kind: 'cut' }),
  /** Never answers and stores nothing. */
  hang: (): Answer => ({ kind: 'hold', until: new Promise(() => {}), answer: { kind: 'cut' } }),
  /** Answers once the promise has resolved. */
  hold: (until: Promise<unknown>, answer: Answer = { kind: 'accept' }): Answer => ({ kind: 'hold', until, answer }),
  /** Takes this long to answer. */
  late: (delayMs: number, answer: Answer = { kind: 'accept' }): Answer => ({ kind: 'late', delayMs, answer }),
  /** Sends these bytes instead of an HTTP response and stores nothing. */
  raw: (bytes: string): Answer => ({ kind: 'raw', bytes }),
  /** 200, stores everything, but sends this body instead of an ExportLogsServiceResponse. */
  acceptWith: (body: string | Buffer, contentType = 'application/x-protobuf'): Answer => ({
    kind: 'acceptWith',
    body,
    contentType,
  }),
};

export interface OtlpReceiverOptions {
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    /** Requires a client certificate issued by this CA. */
    readonly clientCa?: string;
  };
  /** 0 for any free port. */
  readonly port?: number;
  readonly path?: string;
  /** Accepted records are written to this file as JSON lines and synced to disk before they are acknowledged. */
  readonly acceptedFile?: string;
}

export type OtlpReceiver = Receiver<Answer>;

export async function startOtlpReceiver(options: OtlpReceiverOptions = {}): Promise<OtlpReceiver> {
  const ledger = await openLedger<Answer>(options.acceptedFile);
  const { store } = ledger;
  const path = options.path ?? '/v1/logs';

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const wire = await readBody(incoming);
    const body = await decompressed(wire, incoming.headers['content-encoding']);
    const isJson = incoming.headers['content-type'] === 'application/json';
    const records = receivedRecords(body, isJson);
    const { request, chosen } = ledger.arrived({
      path: incoming.url ?? '',
      headers: incoming.headers,
      clientName: clientNameOf(incoming.socket),
      body,
      records: records ?? [],
    });
    request.answer = chosen ?? protocolFault(incoming, path, records) ?? { kind: 'accept' };
    await give(request.answer, request, response, isJson);
  }

  async function give(answer: Answer, request: ReceivedRequest, response: ServerResponse, isJson: boolean) {
    switch (answer.kind) {
      case 'accept':
        await store(request.records);
        return sendResponse(response, isJson, 0, answer.warning);
      case 'acceptWith':
        await store(request.records);
        return send(response, 200, answer.contentType, answer.body);
      case 'partial':
        await store(request.records.slice(0, Math.max(0, request.records.length - answer.rejectedCount)));
        return sendResponse(response, isJson, answer.rejectedCount, answer.text);
      case 'refuseRecords': {
        await store(request.records.filter((record) => !answer.matches(record)));
        if (!request.records.some(answer.matches)) return sendResponse(response, isJson, 0, undefined);
        return send(response, 400, 'application/x-protobuf', encodeStatus(answer.text));
      }
      case 'status': {
        const plain = answer.headers['content-type'];
        const text = plain === undefined ? encodeStatus(answer.text) : answer.text;
        return send(response, answer.status, plain ?? 'application/x-protobuf', text, answer.headers);
      }
      case 'loseAnswer':
        await store(request.records);
        response.socket?.destroy();
        return;
      case 'cut':
        response.socket?.destroy();
        return;
      case 'raw':
        response.socket?.end(answer.bytes);
        return;
      case 'hold':
        await answer.until;
        return give(answer.answer, request, response, isJson);
      case 'late':
        await delay(answer.delayMs);
        return give(answer.answer, request, response, isJson);
    }
  }

  const listener = (incoming: IncomingMessage, response: ServerResponse) => {
    handle(incoming, response).catch((error) => {
      // Either the sender disconnected during its request or the receiver itself failed; record which.
      if (!incoming.destroyed) response.writeHead(500).end(String(error));
      response.socket?.destroy();
    });
  };
  const { tls } = options;
  const server =
    tls === undefined
      ? createHttpServer(listener)
      : createHttpsServer(
          { cert: tls.cert, key: tls.key, ca: tls.clientCa, requestCert: tls.clientCa !== undefined },
          listener,
        );
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    ...ledger.shared,
    async close() {
      server.close();
      server.closeAllConnections();
      await ledger.close();
    },
  };
}

export function clientNameOf(socket: unknown): string | undefined {
  return socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject?.CN) : undefined;
}

/** What a strict receiver rejects on its own. Loki compares the content type literally: parameters lead to a 415. */
function protocolFault(
  incoming: IncomingMessage,
  path: string,
  records: readonly ReceivedRecord[] | undefined,
): Answer | undefined {
  if (incoming.url !== path) return answers.plain(404, '404 page not found');
  if (incoming.method !== 'POST') return answers.plain(405, '405 method not allowed, supported: [POST]');
  const contentType = incoming.headers['content-type'];
  if (contentType !== 'application/x-protobuf' && contentType !== 'application/json') {
    return answers.plain(415, `415 unsupported media type ${contentType}`);
  }
  if (records === undefined) return answers.status(400, 'the request cannot be decoded');
  return undefined;
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function send(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': contentType, ...headers }).end(body);
}

function sendResponse(response: ServerResponse, isJson: boolean, rejectedCount: number, text: string | undefined) {
  if (isJson) {
    const partialSuccess = { rejectedLogRecords: String(rejectedCount), errorMessage: text ?? '' };
    return send(response, 200, 'application/json', JSON.stringify(text === undefined ? {} : { partialSuccess }));
  }
  return send(response, 200, 'application/x-protobuf', encodeResponse(rejectedCount, text));
}

/** An ExportLogsServiceResponse; empty without a text. */
export function encodeResponse(rejectedCount: number, text: string | undefined): Buffer {
  const partial = protobuf.Writer.create();
  if (rejectedCount !== 0) partial.uint32(8).int64(rejectedCount);
  if (text !== undefined) partial.uint32(18).string(text);
  const message = protobuf.Writer.create();
  if (text !== undefined) message.uint32(10).bytes(partial.finish());
  return Buffer.from(message.finish());
}

/** A google.rpc.Status: code = 1, message = 2. */
function encodeStatus(text: string): Buffer {
  return Buffer.from(protobuf.Writer.create().uint32(8).int32(3).uint32(18).string(text).finish());
}

/** Undefined if the body is not an ExportLogsServiceRequest. */
export function receivedRecords(body: Uint8Array, isJson: boolean): ReceivedRecord[] | undefined {
  try {
    const request: OtlpLogsRequest = isJson ? JSON.parse(Buffer.from(body).toString()) : decodeLogsRequest(body);
    const encoded = isJson ? undefined : encodedRecords(body);
    let index = 0;
    return (request.resourceLogs ?? []).flatMap(({ resource, scopeLogs }) =>
      (scopeLogs ?? []).flatMap(({ scope, logRecords }) =>
        (logRecords ?? []).map((record) => {
          const bytes = encoded === undefined ? JSON.stringify(record) : (encoded[index] ?? '');
          index++;
          return {
            uid: record.attributes?.find(({ key }) => key === 'log.record.uid')?.value?.stringValue,
            body: record.body?.stringValue,
            record,
            resource,
            json: canonicalJson({ resource, scope, record }),
            bytesHash: createHash('sha256').update(bytes).digest('hex'),
          };
        }),
      ),
    );
  } catch {
    return undefined;
  }
}

/** ExportLogsServiceRequest.resource_logs = 1, ResourceLogs.scope_logs = 2, ScopeLogs.log_records = 2. */
function encodedRecords(request: Uint8Array): Uint8Array[] {
  return messagesIn(request, 1).flatMap((resourceLogs) =>
    messagesIn(resourceLogs, 2).flatMap((scopeLogs) => messagesIn(scopeLogs, 2)),
  );
}

function messagesIn(message: Uint8Array, fieldNumber: number): Uint8Array[] {
  const reader = protobuf.Reader.create(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === ((fieldNumber << 3) | 2)) found.push(reader.bytes());
    else reader.skipType(tag & 7);
  }
  return found;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

async function decompressed(wire: Buffer, encoding: string | undefined): Promise<Buffer> {
  if (encoding === 'gzip') return await promisify(gunzip)(wire);
  return encoding === 'zstd' ? await promisify(zstdDecompress)(wire) : wire;
}
