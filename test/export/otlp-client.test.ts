import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { ExportOutcome } from '../../src/export/export-outcome.ts';
import type { OtlpOptions } from '../../src/export/options.ts';
import { createOtlpClient, type OtlpClient } from '../../src/export/otlp-client.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { answers } from '../support/otlp-receiver.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import {
  encodeJson,
  encodeProtobuf,
  http,
  jsonOptions,
  leapingClock,
  manyLines,
  never,
  optionsOf,
  receiver,
} from './fixtures.ts';

const certificates = new URL('certificates/', import.meta.url);
const pem = (name: string) => readFileSync(new URL(name, certificates), 'utf8');
const pathOf = (name: string) => new URL(name, certificates).pathname;

function client(options: OtlpOptions, clock = leapingClock()): OtlpClient {
  const created = createOtlpClient(options, clock);
  onTestFinished(() => created.close());
  return created;
}

const body = encodeJson(manyLines(2));

function errorOf(outcome: ExportOutcome) {
  if (!('error' in outcome)) throw new Error(`no error in ${JSON.stringify(outcome)}`);
  return outcome.error;
}

describe('the request', () => {
  test('is sent as protobuf with exactly the content type that Loki accepts', async () => {
    const collector = await receiver();
    const options = optionsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    const outcome = await client(options).send(encodeProtobuf(manyLines(2)), never);
    expect(outcome).toEqual({ status: 'accepted', response: http(200), warning: undefined });
    expect(collector.acceptedUids()).toEqual(['line0', 'line1']);
    expect(collector.requests[0]?.headers).toMatchObject({
      'content-type': 'application/x-protobuf',
      'user-agent': 'databricks-audit-otel',
    });
    expect(collector.requests[0]?.headers['content-encoding']).toBeUndefined();
  });

  test('is sent as JSON, compressed, with the configured headers', async () => {
    const collector = await receiver();
    const headers = { authorization: 'Bearer s3cret', 'content-type': 'text/plain' };
    const options = jsonOptions(collector.url, {
      compression: 'gzip',
      headers,
      userAgent: 'databricks-audit-otel/1.2.3',
    });
    await client(options).send(body, never);
    expect(collector.acceptedUids()).toEqual(['line0', 'line1']);
    expect(collector.requests[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'content-encoding': 'gzip',
      authorization: 'Bearer s3cret',
      'user-agent': 'databricks-audit-otel/1.2.3',
    });
  });

  test.each(['gzip', 'zstd'] as const)('is sent as protobuf, compressed with %s', async (compression) => {
    const collector = await receiver();
    const options = optionsOf({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_COMPRESSION: compression,
    });
    await client(options).send(encodeProtobuf(manyLines(2)), never);
    expect(collector.acceptedUids()).toEqual(['line0', 'line1']);
    expect(collector.requests[0]?.headers['content-encoding']).toBe(compression);
  });

  test('has the same bytes for the same record, in a larger and in a smaller request', async () => {
    const collector = await receiver();
    const sender = client(optionsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }));
    await sender.send(encodeProtobuf(manyLines(3)), never);
    await sender.send(encodeProtobuf(manyLines(3).slice(1, 2)), never);
    expect(collector.accepted[3]?.bytesHash).toBe(collector.accepted[1]?.bytesHash);
    expect(collector.accepted[3]?.json).toBe(collector.accepted[1]?.json);
  });

  test('is aborted by the signal, with its reason', async () => {
    const collector = await receiver();
    collector.answerNext(answers.hang());
    const stop = new AbortController();
    const sent = client(jsonOptions(collector.url)).send(body, stop.signal);
    await collector.requestCount(1);
    stop.abort(new Error('stopping'));
    await expect(sent).rejects.toThrow('stopping');
  });
});

describe('the response', () => {
  test.each([
    [answers.accept(), { status: 'accepted', response: http(200), warning: undefined }],
    [answers.accept('slow down, please'), { status: 'accepted', response: http(200), warning: 'slow down, please' }],
    [answers.partial(1, 'too old'), { status: 'partial', response: http(200), rejectedCount: 1, reason: 'too old' }],
    [answers.plain(204, ''), { status: 'accepted', response: http(204), warning: undefined }],
    [
      answers.status(400, 'line too long'),
      { status: 'rejected', response: http(400), reason: 'HTTP 400: line too long' },
    ],
    [answers.plain(422, ''), { status: 'rejected', response: http(422), reason: 'HTTP 422' }],
    [answers.plain(413, 'too big'), { status: 'tooLarge', response: http(413), reason: 'HTTP 413: too big' }],
  ])('%j is understood in both encodings', async (answer, expected) => {
    const collector = await receiver();
    collector.answerNext(answer, answer);
    expect(await client(jsonOptions(collector.url)).send(body, never)).toEqual(expected);
    const protobuf = optionsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    expect(await client(protobuf).send(encodeProtobuf(manyLines(2)), never)).toEqual(expected);
  });

  test.each([408, 425, 429, 502, 503, 504])('%i is retried', async (status) => {
    const collector = await receiver();
    collector.answerNext(answers.status(status, 'busy'));
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(outcome).toMatchObject({
      status: 'unavailable',
      response: http(status),
      waitAtLeastMs: 0,
      requestSeen: true,
    });
    expect(errorOf(outcome).message).toBe(`${collector.url}/v1/logs answered HTTP ${status}: busy`);
  });

  test.each([500, 501, 505, 507])('%i never drops audit data: it is retried, slowly', async (status) => {
    const collector = await receiver();
    collector.answerNext(answers.status(status, 'panic'));
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(outcome).toMatchObject({ status: 'unavailable', response: http(status), waitAtLeastMs: 30_000 });
  });

  test.each([
    ['120', 120_000],
    ['Sat, 31 Jan 2026 12:01:00 GMT', 60_000],
    ['Sat, 31 Jan 2026 11:00:00 GMT', 0],
    ['86400', 300_000],
    ['soon', 0],
  ])('Retry-After %s means to wait %i ms', async (header, waitAtLeastMs) => {
    const collector = await receiver();
    collector.answerNext(answers.status(429, 'later', { 'retry-after': header }));
    expect(await client(jsonOptions(collector.url)).send(body, never)).toMatchObject({ waitAtLeastMs });
  });

  test.each([
    [401, 'OTEL_EXPORTER_OTLP_HEADERS'],
    [402, 'Check the endpoint'],
    [403, 'OTEL_EXPORTER_OTLP_HEADERS'],
    [404, '/otlp/v1/logs'],
    [405, '/v1/logs'],
    [407, 'NO_PROXY'],
    [415, 'OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf'],
  ])('%i requires a person to change a setting, and names it', async (status, hint) => {
    const collector = await receiver();
    collector.answerNext(answers.plain(status, 'no'));
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(outcome.status).toBe('misconfigured');
    expect(errorOf(outcome)).toMatchObject({ code: 'ERR_EXPORT_MISCONFIGURED', hint: expect.stringContaining(hint) });
  });

  test('a redirect is reported, but not followed', async () => {
    const collector = await receiver();
    collector.answerNext(answers.plain(308, '', { location: 'https://logs.example.com/v1/logs' }));
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(outcome.status).toBe('misconfigured');
    expect(errorOf(outcome).hint).toContain('https://logs.example.com/v1/logs');
    expect(collector.accepted).toEqual([]);
  });

  test('a web page with status 200 is not an acceptance', async () => {
    const collector = await receiver();
    collector.answerNext(answers.plain(200, '<html>Welcome</html>', { 'content-type': 'text/html; charset=utf-8' }));
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(outcome.status).toBe('misconfigured');
    expect(errorOf(outcome).hint).toContain('web page');
  });

  test.each(['text/html', 'text/html; charset=utf-8', 'text/plain', 'application/json'])(
    'an empty 200 is an acceptance, whatever its content type: %s',
    async (contentType) => {
      const collector = await receiver();
      collector.answerNext(answers.plain(200, '', { 'content-type': contentType }));
      const outcome = await client(jsonOptions(collector.url)).send(body, never);
      expect(outcome).toEqual({ status: 'accepted', response: http(200), warning: undefined });
    },
  );

  test('a 400 for plain HTTP on a TLS port is no verdict on the records', async () => {
    const collector = await receiver();
    collector.answerNext(answers.plain(400, 'Client sent an HTTP request to an HTTPS server.\n'));
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(outcome.status).toBe('misconfigured');
    expect(errorOf(outcome).hint).toContain('https://');
  });

  test.each([
    ['application/x-protobuf', 'OK'],
    ['application/x-protobuf', Buffer.from([0x0a, 0xff])],
    ['application/json', '"fine"'],
    ['application/json', 'null'],
    ['application/json', '{"partialSuccess":{"rejectedLogRecords":"0"}}'],
    ['text/plain', '\u0000\u0001'],
  ])('a 200 with %s %j instead of an OTLP response is still an acceptance', async (contentType, answer) => {
    const collector = await receiver();
    collector.answerNext(answers.acceptWith(answer, contentType));
    expect((await client(jsonOptions(collector.url)).send(body, never)).status).toBe('accepted');
  });

  test('a body is read up to 4 MiB', async () => {
    const collector = await receiver();
    collector.answerNext(answers.plain(503, 'x'.repeat(16 * 1024 * 1024)));
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(outcome.status).toBe('unavailable');
    expect(errorOf(outcome).message.length).toBeLessThan(700);
  });

  test("a server's message cannot move the cursor", async () => {
    const collector = await receiver();
    collector.answerNext(answers.plain(503, 'bad\u001b[2Jline\r\nnext\u202e'));
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(errorOf(outcome).message).toContain('bad\\u{1b}[2Jline next\\u{202e}');
  });
});

describe('the connection', () => {
  test.each([
    ['is cut before the answer', answers.cut()],
    ['is cut after storing', answers.loseAnswer()],
    ['brings garbage', answers.raw('SSH-2.0-OpenSSH_9.6\r\n')],
    ['ends in the middle of the answer', answers.raw('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nabc')],
  ])('that %s leaves the request without a verdict', async (_, answer) => {
    const collector = await receiver();
    collector.answerNext(answer);
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(outcome).toMatchObject({ status: 'unavailable', requestSeen: true });
    expect(errorOf(outcome).code).toBe('ERR_EXPORT_UNAVAILABLE');
  });

  test('that brings no response ends after the timeout', async () => {
    const collector = await receiver();
    collector.answerNext(answers.hang());
    const outcome = await client(jsonOptions(collector.url, { requestTimeoutMs: 1_000 })).send(body, never);
    expect(outcome).toMatchObject({ status: 'unavailable', requestSeen: true });
    expect(errorOf(outcome).message).toContain('no response within 1000 ms');
  });

  test('that is refused did not reach the server, and the message says what was tried', async () => {
    const collector = await receiver();
    await collector.close();
    const outcome = await client(jsonOptions(`http://localhost:${collector.port}`)).send(body, never);
    expect(outcome).toMatchObject({ status: 'unavailable', requestSeen: false });
    expect(errorOf(outcome).message).toMatch(
      /^http:\/\/localhost:\d+\/v1\/logs could not be reached: connect ECONNREFUSED /,
    );
  });

  test('to the gRPC port has a hint about port 4318', async () => {
    const outcome = await client(jsonOptions('http://127.0.0.1:4317')).send(body, never);
    expect(errorOf(outcome).hint).toContain('4318');
  });

  test('to a name that does not exist is retried', async () => {
    const outcome = await client(jsonOptions('http://collector.invalid:4318')).send(body, never);
    expect(outcome).toMatchObject({ status: 'unavailable', requestSeen: false });
  });

  test('never shows headers or the query of the URL', async () => {
    const collector = await receiver();
    collector.answerNext(answers.status(503), answers.status(401), answers.cut());
    const options = jsonOptions('http://unused', {
      url: `${collector.url}/v1/logs?key=hunter2`,
      headers: { authorization: 'Bearer hunter2' },
    });
    const sender = client(options);
    for (let count = 0; count < 3; count++) {
      const error = errorOf(await sender.send(body, never));
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2');
    }
  });

  test('goes through the proxy of the environment, except to loopback', async () => {
    const collector = await receiver();
    const { port, targets } = await forwardingProxy(collector.port);
    vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${port}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    await client(jsonOptions('http://collector.example:4318')).send(body, never);
    expect(targets).toEqual(['http://collector.example:4318/v1/logs']);
    await client(jsonOptions(collector.url)).send(body, never);
    expect(targets).toHaveLength(1);
    expect(collector.accepted).toHaveLength(4);
  });

  test('to a proxy that is down names the proxy without its password', async () => {
    const proxy = await receiver();
    await proxy.close();
    vi.stubEnv('HTTP_PROXY', `http://user:hunter2@127.0.0.1:${proxy.port}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const outcome = await client(jsonOptions('http://collector.example:4318')).send(body, never);
    expect(errorOf(outcome).hint).toContain(`the proxy 127.0.0.1:${proxy.port} (HTTP_PROXY or HTTPS_PROXY)`);
    expect(inspect(errorOf(outcome), { depth: 9, showHidden: true })).not.toContain('hunter2');
  });
});

describe('TLS', () => {
  const tls = { cert: pem('server.pem'), key: pem('server-key.pem') };

  test('is named when a server that expects it closes the connection', async () => {
    const collector = await receiver({ tls });
    const outcome = await client(jsonOptions(collector.url.replace('https:', 'http:'))).send(body, never);
    expect(errorOf(outcome).hint).toContain('If the port expects TLS, use https://');
  });

  test('works with a custom CA', async () => {
    const collector = await receiver({ tls });
    const options = optionsOf({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_CERTIFICATE: pathOf('ca.pem'),
    });
    expect((await client(options).send(encodeProtobuf(manyLines(1)), never)).status).toBe('accepted');
  });

  test('with an unknown CA is a setting to change', async () => {
    const collector = await receiver({ tls });
    const outcome = await client(jsonOptions(collector.url)).send(body, never);
    expect(outcome.status).toBe('misconfigured');
    expect(errorOf(outcome).hint).toContain('OTEL_EXPORTER_OTLP_CERTIFICATE');
  });

  test('on a plain HTTP port is a setting to change', async () => {
    const collector = await receiver();
    const outcome = await client(jsonOptions(collector.url.replace('http:', 'https:'))).send(body, never);
    expect(outcome.status).toBe('misconfigured');
    expect(errorOf(outcome).hint).toContain('http://');
  });

  test('sends a client certificate, and without one says what to set', async () => {
    const collector = await receiver({ tls: { ...tls, clientCa: pem('ca.pem') } });
    const environment = {
      OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${collector.url}/v1/logs`,
      OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE: pathOf('ca.pem'),
    };
    const outcome = await client(optionsOf(environment)).send(encodeProtobuf(manyLines(1)), never);
    expect(errorOf(outcome).hint).toContain('OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE');
    const withCertificate = optionsOf({
      ...environment,
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pathOf('client.pem'),
      OTEL_EXPORTER_OTLP_CLIENT_KEY: pathOf('client-key.pem'),
    });
    expect((await client(withCertificate).send(encodeProtobuf(manyLines(1)), never)).status).toBe('accepted');
  });

  describe('with files that are replaced at run time', () => {
    const clientTls = { ...tls, clientCa: pem('ca.pem') };

    /** Separate files, and a client that uses them. */
    function setUp(url: string, names: { ca: string; certificate: string; key: string }) {
      const directory = temporaryDirectory();
      const files = { ca: join(directory, 'ca'), certificate: join(directory, 'crt'), key: join(directory, 'key') };
      const replace = (name: keyof typeof files, by: string) => copyFileSync(pathOf(by), files[name]);
      for (const name of ['ca', 'certificate', 'key'] as const) replace(name, names[name]);
      const sender = client(
        optionsOf({
          OTEL_EXPORTER_OTLP_ENDPOINT: url,
          OTEL_EXPORTER_OTLP_CERTIFICATE: files.ca,
          OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: files.certificate,
          OTEL_EXPORTER_OTLP_CLIENT_KEY: files.key,
        }),
      );
      return { files, replace, send: () => sender.send(encodeProtobuf(manyLines(1)), never) };
    }

    test('uses the new CA without a restart', async () => {
      const collector = await receiver({ tls });
      const names = { ca: 'client.pem', certificate: 'client.pem', key: 'client-key.pem' };
      const { replace, send } = setUp(collector.url, names);
      expect((await send()).status).toBe('misconfigured');
      replace('ca', 'ca.pem');
      expect((await send()).status).toBe('accepted');
    });

    test('sends the new client certificate on new connections, and completes requests in flight on the old ones', async () => {
      const collector = await receiver({ tls: clientTls });
      const names = { ca: 'ca.pem', certificate: 'client.pem', key: 'client-key.pem' };
      const { replace, send } = setUp(collector.url, names);
      const answer = Promise.withResolvers<void>();
      collector.answerNext(answers.hold(answer.promise, answers.accept()));
      const underWay = send();
      await collector.requestCount(1);
      replace('certificate', 'server.pem');
      replace('key', 'server-key.pem');
      expect((await send()).status).toBe('accepted');
      expect((await send()).status).toBe('accepted');
      answer.resolve();
      expect((await underWay).status).toBe('accepted');
      expect(collector.requests.map(({ clientName }) => clientName)).toEqual(['client', 'server', 'server']);
    });

    test('waits while the key does not match the certificate yet, and reports that', async () => {
      const collector = await receiver({ tls: clientTls });
      const names = { ca: 'ca.pem', certificate: 'client.pem', key: 'client-key.pem' };
      const { files, replace, send } = setUp(collector.url, names);
      expect((await send()).status).toBe('accepted');
      replace('certificate', 'server.pem');
      const outcome = await send();
      expect(outcome).toMatchObject({ status: 'unavailable', requestSeen: false });
      expect(errorOf(outcome).message).toMatch(
        /^A certificate or key file has changed; OTEL_EXPORTER_OTLP_CLIENT_KEY: cannot use .*mismatch$/,
      );
      rmSync(files.key);
      expect(errorOf(await send()).message).toContain('ENOENT');
      replace('key', 'server-key.pem');
      expect((await send()).status).toBe('accepted');
    });
  });

  test.each([
    [
      { OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE: '/does/not/exist.pem' },
      /^OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE: cannot use \/does\/not\/exist\.pem: ENOENT/,
    ],
    [
      { OTEL_EXPORTER_OTLP_CERTIFICATE: pathOf('README.md') },
      /^OTEL_EXPORTER_OTLP_CERTIFICATE: .* not contain a PEM block$/,
    ],
    [{ OTEL_EXPORTER_OTLP_CLIENT_KEY: pathOf('client-key.pem') }, /^OTEL_EXPORTER_OTLP_CLIENT_KEY is set without/],
    [
      {
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pathOf('client.pem'),
        OTEL_EXPORTER_OTLP_CLIENT_KEY: pathOf('server-key.pem'),
      },
      /^OTEL_EXPORTER_OTLP_CLIENT_KEY: .*mismatch/,
    ],
  ])('files that cannot be used are reported at startup: %j', (environment, message) => {
    const options = optionsOf(environment);
    expect(() => createOtlpClient(options, systemClock)).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIGURATION', message: expect.stringMatching(message) }),
    );
  });
});

/** A forward proxy that sends everything to one port and records the requests. */
async function forwardingProxy(targetPort: number): Promise<{ port: number; targets: string[] }> {
  const targets: string[] = [];
  const proxy = createServer();
  proxy.on('request', async (incoming, outgoing) => {
    targets.push(incoming.url ?? '');
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const response = await fetch(`http://127.0.0.1:${targetPort}/v1/logs`, {
      method: 'POST',
      headers: { 'content-type': incoming.headers['content-type'] ?? '' },
      body: Buffer.concat(chunks),
    });
    outgoing.writeHead(response.status).end(Buffer.from(await response.arrayBuffer()));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void proxy.close());
  const address = proxy.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, targets };
}
