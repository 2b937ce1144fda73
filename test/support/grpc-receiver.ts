/**
 * A real receiver of OTLP logs over gRPC on a loopback port, with the same ledger as the one over HTTP. It is written on HTTP/2
 * itself (grpc/doc/PROTOCOL-HTTP2.md), so that the client is tested against the protocol and not against its own library.
 */
import { once } from 'node:events';
import * as http2 from 'node:http2';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import protobuf from 'protobufjs';
import { clientNameOf, encodeResponse, receivedRecords } from './otlp-receiver.ts';
import { openLedger, type ReceivedRecord, type ReceivedRequest, type Receiver } from './receiver-ledger.ts';

export type GrpcAnswer =
  | { readonly kind: 'accept'; readonly warning?: string }
  | { readonly kind: 'status'; readonly code: number; readonly text: string; readonly details: Buffer | undefined }
  | { readonly kind: 'httpStatus'; readonly status: number; readonly text: string }
  | { readonly kind: 'partial'; readonly rejectedCount: number; readonly text: string }
  | { readonly kind: 'refuseRecords'; readonly matches: (record: ReceivedRecord) => boolean; readonly text: string }
  | { readonly kind: 'loseAnswer' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'hold'; readonly until: Promise<unknown>; readonly answer: GrpcAnswer };

export const grpcAnswers = {
  /** OK, stores everything. A warning is sent as a partial success without rejected records. */
  accept: (warning?: string): GrpcAnswer => (warning === undefined ? { kind: 'accept' } : { kind: 'accept', warning }),
  /** Stores nothing. @param retryDelayMs sent as google.rpc.RetryInfo. */
  status: (code: number, text = '', retryDelayMs?: number): GrpcAnswer => ({
    kind: 'status',
    code,
    text,
    details: retryDelayMs === undefined ? undefined : encodeStatus(code, text, retryDelayMs),
  }),
  /** Stores nothing. Answers as a server or proxy that knows nothing of gRPC. */
  httpStatus: (status: number, text = ''): GrpcAnswer => ({ kind: 'httpStatus', status, text }),
  /** OK with a partial success: does not store the last `rejectedCount` records. */
  partial: (rejectedCount: number, text = 'quota used up'): GrpcAnswer => ({ kind: 'partial', rejectedCount, text }),
  /** INVALID_ARGUMENT if a record matches, but stores the other records of the request. Otherwise accepts. */
  refuseRecords: (matches: (record: ReceivedRecord) => boolean, text = 'line too long'): GrpcAnswer => ({
    kind: 'refuseRecords',
    matches,
    text,
  }),
  /** Stores everything, then closes the connection without an answer. */
  loseAnswer: (): GrpcAnswer => ({ kind: 'loseAnswer' }),
  /** Closes the connection and stores nothing. */
  cut: (): GrpcAnswer => ({ kind: 'cut' }),
  /** Never answers and stores nothing. */
  hang: (): GrpcAnswer => ({ kind: 'hold', until: new Promise(() => {}), answer: { kind: 'cut' } }),
  /** Answers once the promise has resolved. */
  hold: (until: Promise<unknown>, answer: GrpcAnswer = { kind: 'accept' }): GrpcAnswer => ({
    kind: 'hold',
    until,
    answer,
  }),
};

export interface GrpcReceiverOptions {
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    /** Requires a client certificate issued by this CA. */
    readonly clientCa?: string;
  };
  /** 0 for any free port. */
  readonly port?: number;
  /** A larger message is refused in the words of gRPC for Go. */
  readonly messageBytesMax?: number;
  /** Accepted records are written to this file as JSON lines and synced to disk before they are acknowledged. */
  readonly acceptedFile?: string;
}

export type GrpcReceiver = Receiver<GrpcAnswer>;

const exportPath = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
const contentType = { 'content-type': 'application/grpc+proto' };
/** google.golang.org/grpc: defaultServerMaxReceiveMessageSize. */
const messageBytesDefault = 4 * 1024 * 1024;

export async function startGrpcReceiver(options: GrpcReceiverOptions = {}): Promise<GrpcReceiver> {
  const ledger = await openLedger<GrpcAnswer>(options.acceptedFile);
  const sessions = new Set<http2.ServerHttp2Session>();

  async function handle(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): Promise<void> {
    const body = await readMessage(stream, headers);
    const records = receivedRecords(body, false);
    const { request, chosen } = ledger.arrived({
      path: String(headers[':path']),
      headers,
      clientName: clientNameOf(stream.session?.socket),
      body,
      records: records ?? [],
    });
    request.answer = chosen ?? protocolFault(headers, body, records) ?? { kind: 'accept' };
    await give(request.answer, request, stream);
  }

  function protocolFault(
    headers: http2.IncomingHttpHeaders,
    { length }: Buffer,
    records: readonly ReceivedRecord[] | undefined,
  ): GrpcAnswer | undefined {
    if (headers[':method'] !== 'POST' || !headers['content-type']?.startsWith('application/grpc')) {
      return grpcAnswers.httpStatus(415, 'not a call of gRPC');
    }
    if (headers.te !== 'trailers') return grpcAnswers.status(13, 'the client does not announce trailers');
    if (headers[':path'] !== exportPath) return grpcAnswers.status(12, `unknown method ${headers[':path']}`);
    const { messageBytesMax = messageBytesDefault } = options;
    if (length > messageBytesMax) {
      return grpcAnswers.status(8, `grpc: received message larger than max (${length} vs. ${messageBytesMax})`);
    }
    return records === undefined ? grpcAnswers.status(13, 'grpc: error unmarshalling request') : undefined;
  }

  async function give(
    answer: GrpcAnswer,
    request: ReceivedRequest<GrpcAnswer>,
    stream: http2.ServerHttp2Stream,
  ): Promise<void> {
    switch (answer.kind) {
      case 'accept':
        await ledger.store(request.records);
        return sendMessage(stream, encodeResponse(0, answer.warning));
      case 'partial':
        await ledger.store(request.records.slice(0, Math.max(0, request.records.length - answer.rejectedCount)));
        return sendMessage(stream, encodeResponse(answer.rejectedCount, answer.text));
      case 'refuseRecords':
        await ledger.store(request.records.filter((record) => !answer.matches(record)));
        if (!request.records.some(answer.matches)) return sendMessage(stream, encodeResponse(0, undefined));
        return sendStatus(stream, 3, answer.text);
      case 'status':
        return sendStatus(stream, answer.code, answer.text, answer.details);
      case 'httpStatus':
        stream.respond({ ':status': answer.status, 'content-type': 'text/plain' });
        stream.end(answer.text);
        return;
      case 'loseAnswer':
        await ledger.store(request.records);
        return stream.session?.destroy();
      case 'cut':
        return stream.session?.destroy();
      case 'hold':
        await answer.until;
        return give(answer.answer, request, stream);
    }
  }

  const { tls } = options;
  const server =
    tls === undefined
      ? http2.createServer()
      : http2.createSecureServer({
          cert: tls.cert,
          key: tls.key,
          ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true }),
        });
  server.on('session', (session: http2.ServerHttp2Session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {}); // The peer has gone.
  });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {}); // The peer has gone.
    handle(stream, headers).catch((error) => {
      if (!stream.destroyed) sendStatus(stream, 13, String(error));
    });
  });
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
      for (const session of sessions) session.destroy();
      await ledger.close();
    },
  };
}

/** A message is prefixed with a flag for compression and its length. */
async function readMessage(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const framed = Buffer.concat(chunks);
  const message = framed.subarray(5);
  if (framed.length < 5 || framed.readUInt32BE(1) !== message.length) throw new Error('not exactly one message');
  if (framed[0] === 0) return message;
  if (headers['grpc-encoding'] !== 'gzip') throw new Error(`unknown grpc-encoding ${headers['grpc-encoding']}`);
  return await promisify(gunzip)(message);
}

function sendMessage(stream: http2.ServerHttp2Stream, message: Buffer): void {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.respond({ ':status': 200, ...contentType }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([prefix, message]));
}

/** As headers without a body, "Trailers-Only", like all servers. */
function sendStatus(stream: http2.ServerHttp2Stream, code: number, text: string, details?: Buffer): void {
  const status = {
    'grpc-status': String(code),
    'grpc-message': encodeURIComponent(text),
    ...(details === undefined ? {} : { 'grpc-status-details-bin': details.toString('base64') }),
  };
  stream.respond({ ':status': 200, ...contentType, ...status }, { endStream: true });
}

/** A google.rpc.Status with a google.rpc.RetryInfo (googleapis, google/rpc/status.proto and error_details.proto). */
function encodeStatus(code: number, text: string, retryDelayMs: number): Buffer {
  const seconds = Math.floor(retryDelayMs / 1000);
  const delay = protobuf.Writer.create()
    .uint32(8)
    .int64(seconds)
    .uint32(16)
    .int32((retryDelayMs % 1000) * 1_000_000);
  const retryInfo = protobuf.Writer.create().uint32(10).bytes(delay.finish()).finish();
  const any = protobuf.Writer.create().uint32(10).string('type.googleapis.com/google.rpc.RetryInfo');
  any.uint32(18).bytes(retryInfo);
  const status = protobuf.Writer.create().uint32(8).int32(code).uint32(18).string(text);
  return Buffer.from(status.uint32(26).bytes(any.finish()).finish());
}
