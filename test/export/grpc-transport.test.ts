/**
 * What is particular to gRPC; test/export/transports.test.ts has what it shares with HTTP.
 */
import { copyFileSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ExportOutcome } from '../../src/export/export-outcome.ts';
import { probeCollector } from '../../src/export/index.ts';
import type { OtlpOptions } from '../../src/export/options.ts';
import { createOtlpClient, type OtlpClient } from '../../src/export/otlp-client.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { startForwardProxy } from '../support/forward-proxy.ts';
import {
  type GrpcReceiver,
  type GrpcReceiverOptions,
  grpcAnswers,
  startGrpcReceiver,
} from '../support/grpc-receiver.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { encodeProtobuf, leapingClock, manyLines, never, optionsOf, receiver } from './fixtures.ts';

const certificates = new URL('certificates/', import.meta.url);
const pem = (name: string) => readFileSync(new URL(name, certificates), 'utf8');
const pathOf = (name: string) => new URL(name, certificates).pathname;
const tls = { cert: pem('server.pem'), key: pem('server-key.pem') };
const body = encodeProtobuf(manyLines(2));

async function grpcReceiver(options: GrpcReceiverOptions = {}): Promise<GrpcReceiver> {
  const started = await startGrpcReceiver(options);
  onTestFinished(() => started.close());
  return started;
}

function grpcOptions(endpoint: string, environment: Record<string, string> = {}): OtlpOptions {
  return optionsOf({
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    ...environment,
  });
}

function client(options: OtlpOptions): OtlpClient {
  const created = createOtlpClient(options, leapingClock());
  onTestFinished(() => created.close());
  return created;
}

function errorOf(outcome: ExportOutcome) {
  if (!('error' in outcome)) throw new Error(`no error in ${JSON.stringify(outcome)}`);
  return outcome.error;
}

/** The URL of a server on a free port. */
async function listening(server: ReturnType<typeof createTcpServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('the call', () => {
  test('is the one that OTLP defines, with the headers as metadata', async () => {
    const collector = await grpcReceiver();
    const options = grpcOptions(collector.url, { OTEL_EXPORTER_OTLP_HEADERS: 'X-Scope-OrgID=audit' });
    await client({ ...options, userAgent: 'databricks-audit-otel/1.2.3' }).send(body, never);
    expect(collector.requests[0]?.path).toBe('/opentelemetry.proto.collector.logs.v1.LogsService/Export');
    expect(collector.requests[0]?.headers).toMatchObject({
      'content-type': 'application/grpc',
      'x-scope-orgid': 'audit',
      'user-agent': expect.stringMatching(/^databricks-audit-otel\/1\.2\.3 grpc-node-js\//),
      'grpc-timeout': expect.any(String),
    });
    expect(collector.requests[0]?.headers['grpc-encoding']).toBeUndefined();
  });

  test('is compressed with gzip', async () => {
    const collector = await grpcReceiver();
    await client(grpcOptions(collector.url, { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' })).send(body, never);
    expect(collector.requests[0]?.headers['grpc-encoding']).toBe('gzip');
    expect(collector.acceptedUids()).toEqual(['line0', 'line1']);
  });

  test('goes to an endpoint without a scheme', async () => {
    const collector = await grpcReceiver();
    const environment = { OTEL_EXPORTER_OTLP_INSECURE: 'true' };
    expect((await client(grpcOptions(`127.0.0.1:${collector.port}`, environment)).send(body, never)).status).toBe(
      'accepted',
    );
  });
});

describe('the status', () => {
  test.each([
    [1, 'CANCELLED', 0],
    [4, 'DEADLINE_EXCEEDED', 0],
    [10, 'ABORTED', 0],
    [11, 'OUT_OF_RANGE', 0],
    [14, 'UNAVAILABLE', 0],
    [15, 'DATA_LOSS', 0],
    // OTLP does not define these as retryable, and audit data must not be dropped for them.
    [2, 'UNKNOWN', 30_000],
    [8, 'RESOURCE_EXHAUSTED', 30_000],
    [9, 'FAILED_PRECONDITION', 30_000],
    [13, 'INTERNAL', 30_000],
    [77, '77', 30_000],
  ])('%i (%s) is retried after %i ms or the backoff, and named', async (code, name, waitAtLeastMs) => {
    const collector = await grpcReceiver();
    collector.answerNext(grpcAnswers.status(code, 'busy'));
    const outcome = await client(grpcOptions(collector.url)).send(body, never);
    const response = { protocol: 'grpc', code };
    expect(outcome).toMatchObject({ status: 'unavailable', response, waitAtLeastMs, requestSeen: true });
    expect(errorOf(outcome).message).toBe(`${collector.url} answered gRPC ${name}: busy`);
  });

  test.each([
    [8, 90_000, 90_000],
    [14, 1_500, 1_500],
    [8, 0, 0],
    [8, 86_400_000, 300_000],
  ])('%i with a RetryInfo of %i ms means to wait %i ms', async (code, delayMs, waitAtLeastMs) => {
    const collector = await grpcReceiver();
    collector.answerNext(grpcAnswers.status(code, 'later', delayMs));
    expect(await client(grpcOptions(collector.url)).send(body, never)).toMatchObject({ waitAtLeastMs });
  });

  test.each([
    [8, 'grpc: received message larger than max (5000000 vs. 4194304)'],
    [8, 'grpc: received message after decompression larger than max 4194304'],
    [8, 'gRPC message exceeds maximum size 4194304: 5000000'],
    [8, 'Received message exceeds the maximum configured message size.'],
    [11, 'Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes'],
  ])('%i with %j is a message that is too large', async (code, text) => {
    const collector = await grpcReceiver();
    collector.answerNext(grpcAnswers.status(code, text));
    expect((await client(grpcOptions(collector.url)).send(body, never)).status).toBe('tooLarge');
  });

  test.each([
    [grpcAnswers.status(16, ''), 'OTEL_EXPORTER_OTLP_HEADERS'],
    [grpcAnswers.status(7, ''), 'OTEL_EXPORTER_OTLP_HEADERS'],
    [grpcAnswers.status(12, 'unknown service'), 'OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf'],
    [grpcAnswers.status(12, 'grpc: Decompressor is not installed for grpc-encoding "gzip"'), 'COMPRESSION=none'],
    [grpcAnswers.httpStatus(404, 'not found'), 'OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf'],
    [grpcAnswers.httpStatus(405, 'not allowed'), 'OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf'],
  ])('%j requires a person to change a setting, and names it', async (answer, hint) => {
    const collector = await grpcReceiver();
    collector.answerNext(answer);
    const outcome = await client(grpcOptions(collector.url)).send(body, never);
    expect(outcome.status).toBe('misconfigured');
    expect(errorOf(outcome)).toMatchObject({ code: 'ERR_EXPORT_MISCONFIGURED', hint: expect.stringContaining(hint) });
  });
});

describe('the connection', () => {
  test('that is refused did not reach the server', async () => {
    const collector = await grpcReceiver();
    await collector.close();
    const outcome = await client(grpcOptions(collector.url)).send(body, never);
    expect(outcome).toMatchObject({ status: 'unavailable', requestSeen: false });
    expect(errorOf(outcome).message).toMatch(/could not be reached: connect ECONNREFUSED 127\.0\.0\.1:\d+$/);
  });

  test('to a name that does not exist is retried', async () => {
    const outcome = await client(grpcOptions('http://collector.invalid:4317')).send(body, never);
    expect(outcome).toMatchObject({ status: 'unavailable', requestSeen: false });
  });

  test('to a server that says nothing ends after the timeout', async () => {
    const url = await listening(createTcpServer(() => {}));
    const outcome = await client({ ...grpcOptions(url), requestTimeoutMs: 300 }).send(body, never);
    expect(outcome).toMatchObject({ status: 'unavailable', requestSeen: false });
    expect(errorOf(outcome).message).toContain('no connection within 300 ms');
  });

  test.each(['http', 'https'])('over %s that is never completed is given up, and not kept open', async (scheme) => {
    const gone = Promise.withResolvers<void>();
    const server = createTcpServer((socket) => {
      socket.on('error', () => {}); // The peer has gone.
      socket.on('close', gone.resolve).resume();
    });
    const url = await listening(server);
    const sender = client({ ...grpcOptions(url.replace('http', scheme)), requestTimeoutMs: 300 });
    await sender.send(body, never);
    await sender.send(body, never); // Takes another connection and gives the first one up.
    await gone.promise;
  });

  test('that brings no answer ends after the timeout', async () => {
    const collector = await grpcReceiver();
    collector.answerNext(grpcAnswers.hang());
    const outcome = await client({ ...grpcOptions(collector.url), requestTimeoutMs: 500 }).send(body, never);
    expect(outcome).toMatchObject({ status: 'unavailable', requestSeen: true });
    expect(errorOf(outcome).message).toContain('no response within 500 ms');
  });

  test.each(['http://collector.example:4317', 'https://localhost.example:4317'])(
    'to %s goes through the proxy of the environment',
    async (endpoint) => {
      const collector = await grpcReceiver(endpoint.startsWith('https') ? { tls } : {});
      const proxy = await startForwardProxy({ [new URL(endpoint).host]: collector.port });
      for (const name of ['HTTP_PROXY', 'HTTPS_PROXY']) vi.stubEnv(name, proxy.url);
      onTestFinished(() => void vi.unstubAllEnvs());
      const ca = { OTEL_EXPORTER_OTLP_CERTIFICATE: pathOf('ca.pem') };
      const outcome = await client(grpcOptions(endpoint, ca)).send(body, never);
      // The certificate is for localhost only, so that TLS ends with the collector and not with the proxy.
      expect(outcome.status).toBe(endpoint.startsWith('https') ? 'misconfigured' : 'accepted');
      expect(proxy.requests).toEqual([`CONNECT ${new URL(endpoint).host}`]);
      expect([...proxy.credentials]).toEqual([`Basic ${Buffer.from('user:password').toString('base64')}`]);
      vi.stubEnv('NO_PROXY', '.example');
      await client({ ...grpcOptions(endpoint, ca), requestTimeoutMs: 2_000 }).send(body, never);
      expect(proxy.requests).toHaveLength(1);
    },
  );
});

test('a proxy that is down is named without its password', async () => {
  const proxy = await grpcReceiver();
  await proxy.close();
  const { host } = new URL(proxy.url);
  vi.stubEnv('HTTP_PROXY', `http://user:hunter2@${host}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  const error = errorOf(await client(grpcOptions('http://collector.example:4317')).send(body, never));
  expect(error.hint).toContain(`the proxy ${host} (HTTP_PROXY or HTTPS_PROXY)`);
  expect(`${error.message} ${error.hint}`).not.toContain('hunter2');
});

describe('TLS', () => {
  const ca = { OTEL_EXPORTER_OTLP_CERTIFICATE: pathOf('ca.pem') };

  test.each(['127.0.0.1', 'localhost'])('works with a custom CA and the server at %s', async (host) => {
    const collector = await grpcReceiver({ tls });
    const outcome = await client(grpcOptions(`https://${host}:${collector.port}`, ca)).send(body, never);
    expect(outcome.status).toBe('accepted');
  });

  test('is used for an endpoint without a scheme', async () => {
    const collector = await grpcReceiver({ tls });
    expect((await client(grpcOptions(`localhost:${collector.port}`, ca)).send(body, never)).status).toBe('accepted');
  });

  test('with an unknown CA is a setting to change', async () => {
    const collector = await grpcReceiver({ tls });
    const outcome = await client(grpcOptions(collector.url)).send(body, never);
    expect(outcome.status).toBe('misconfigured');
    expect(errorOf(outcome).hint).toContain('OTEL_EXPORTER_OTLP_CERTIFICATE');
  });

  test('on a port without TLS, and the other way round, says so', async () => {
    const [plain, secure] = [await grpcReceiver(), await grpcReceiver({ tls })];
    const toPlain = await client(grpcOptions(plain.url.replace('http:', 'https:'), ca)).send(body, never);
    expect(errorOf(toPlain).hint).toContain('use http://');
    const toSecure = await client(grpcOptions(secure.url.replace('https:', 'http:'))).send(body, never);
    expect(errorOf(toSecure).hint).toContain('https://');
  });

  test('sends a client certificate, and without one says what to set', async () => {
    const collector = await grpcReceiver({ tls: { ...tls, clientCa: pem('ca.pem') } });
    const outcome = await client(grpcOptions(collector.url, ca)).send(body, never);
    expect(errorOf(outcome).hint).toContain('OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE');
    const withCertificate = grpcOptions(collector.url, {
      ...ca,
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pathOf('client.pem'),
      OTEL_EXPORTER_OTLP_CLIENT_KEY: pathOf('client-key.pem'),
    });
    expect((await client(withCertificate).send(body, never)).status).toBe('accepted');
  });

  test('takes up a new client certificate, and completes calls in flight on the old connection', async () => {
    const collector = await grpcReceiver({ tls: { ...tls, clientCa: pem('ca.pem') } });
    const directory = temporaryDirectory();
    const [certificate, key] = [join(directory, 'crt'), join(directory, 'key')];
    copyFileSync(pathOf('client.pem'), certificate);
    copyFileSync(pathOf('client-key.pem'), key);
    const files = { OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: certificate, OTEL_EXPORTER_OTLP_CLIENT_KEY: key };
    const sender = client(grpcOptions(collector.url, { ...ca, ...files }));
    const answer = Promise.withResolvers<void>();
    collector.answerNext(grpcAnswers.hold(answer.promise));
    const underWay = sender.send(body, never);
    await collector.requestCount(1);
    copyFileSync(pathOf('server.pem'), certificate);
    expect(await sender.send(body, never)).toMatchObject({ status: 'unavailable', requestSeen: false });
    copyFileSync(pathOf('server-key.pem'), key);
    expect((await sender.send(body, never)).status).toBe('accepted');
    answer.resolve();
    expect((await underWay).status).toBe('accepted');
    expect(collector.requests.map(({ clientName }) => clientName)).toEqual(['client', 'server']);
  });

  test('with files that cannot be used is reported at startup', () => {
    const options = grpcOptions('http://localhost:4317', { OTEL_EXPORTER_OTLP_CERTIFICATE: '/does/not/exist.pem' });
    expect(() => createOtlpClient(options, systemClock)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION' }),
    );
  });
});

describe('check', () => {
  const probe = (options: OtlpOptions) => probeCollector(options, never, systemClock);

  test('accepts a collector over gRPC, and stores nothing', async () => {
    const collector = await grpcReceiver();
    expect(await probe(grpcOptions(collector.url))).toMatchObject({
      status: 'ok',
      message: `${collector.url} accepts OTLP logs`,
    });
    expect(collector.accepted).toEqual([]);
  });

  test.each([{}, { tls }])('recognises a port for gRPC that it spoke HTTP to: %j', async (options) => {
    const collector = await grpcReceiver(options);
    const environment = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_CERTIFICATE: pathOf('ca.pem'),
    };
    const result = await probe(optionsOf(environment));
    expect(result.status).toBe('failed');
    expect(result.hint).toContain('OTEL_EXPORTER_OTLP_PROTOCOL=grpc');
  });

  test('recognises a port for HTTP that it spoke gRPC to', async () => {
    const plain = await receiver();
    const secure = await receiver({ tls });
    const environment = { OTEL_EXPORTER_OTLP_CERTIFICATE: pathOf('ca.pem') };
    for (const { url } of [plain, secure]) {
      const result = await probe(grpcOptions(url, environment));
      expect(result.status).toBe('failed');
      expect(result.hint).toContain('OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf');
    }
  });
});
