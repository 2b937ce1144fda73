/**
 * The agent's HTTP server, tested with real requests.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfiguration } from '../../src/config/index.ts';
import { openDeadLetterStore } from '../../src/export/index.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { DeliveredTotals, WaitingDeadLetters } from '../../src/telemetry/activity.ts';
import type { AskCollector } from '../../src/telemetry/collector-watch.ts';
import type { HttpAddress } from '../../src/telemetry/options.ts';
import { startTelemetry } from '../../src/telemetry/telemetry.ts';
import { type LogLine, rememberingLogger } from '../export/fixtures.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import {
  batchEnded,
  httpResponse,
  linesRead,
  listingEnded,
  requestEnded,
  sourceName,
  unavailable,
  waiting,
} from './events.ts';

describe('the HTTP server', () => {
  it('reports health as 200 or 503, with the reason as JSON', async () => {
    const { get, observe } = await serve();
    expect(await get('/livez')).toMatchObject({ status: 200, json: { ok: true, status: 'starting' } });
    expect(await get('/readyz')).toMatchObject({ status: 503, json: { ok: false, reason: expect.any(String) } });
    observe(listingEnded());
    expect(await get('/readyz')).toMatchObject({ status: 200, json: { ok: true, status: 'idle' } });
    observe(waiting(0));
    const { status, json } = await get('/readyz');
    expect({ status, json }).toMatchObject({
      status: 503,
      json: { ok: false, status: 'waiting', reason: expect.stringContaining(unavailable.message) },
    });
    expect(json).toMatchObject({
      checks: expect.arrayContaining([expect.objectContaining({ hint: unavailable.hint })]),
    });
  });

  it('shows dead letters of earlier processes everywhere until they are gone from the disk', async () => {
    const tooOld = { response: httpResponse(400), reason: 'HTTP 400: too old', count: 360 };
    const { get, observe, waitingDeadLetters, log } = await serve({ waitingDeadLetters: [tooOld] });
    observe(listingEnded());
    expect(await get('/readyz')).toMatchObject({
      status: 200,
      json: {
        complete: false,
        status: 'incomplete',
        reason: '360 dead letters not in the backend',
        checks: expect.arrayContaining([
          expect.objectContaining({
            name: 'dead letters',
            hint: expect.stringContaining('databricks-audit-otel replay'),
          }),
        ]),
      },
    });
    const series = 'databricks_audit_dead_letters_waiting';
    expect((await get('/metrics')).body).toContain(
      `${series}{databricks_audit_reason="HTTP 400: too old",http_response_status_code="400"} 360\n`,
    );
    expect((await get('/status.json')).json).toMatchObject({
      health: { complete: false },
      waitingDeadLetters: [{ response: 'HTTP 400', reason: 'HTTP 400: too old', count: 360 }],
    });
    expect(log.at(-1)).toMatchObject({
      level: 'error',
      fields: { records: 360, hint: expect.stringContaining('replay') },
    });
    waitingDeadLetters.length = 0;
    expect(await get('/readyz')).toMatchObject({ status: 200, json: { complete: true, status: 'idle' } });
    expect((await get('/metrics')).body).not.toMatch(new RegExp(`^${series}.*\\} [1-9]\\d*$`, 'm'));
  });

  it('answers while dead letters are being counted for the first time, and does not take them for none', async () => {
    const counted = Promise.withResolvers<readonly WaitingDeadLetters[]>();
    const { get, observe } = await serve({ countDeadLetters: () => counted.promise });
    observe(listingEnded());
    observe(requestEnded('accepted', 200));
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      json: { complete: false, reason: 'dead letters: not known: they are not counted yet' },
    });
    counted.resolve([]);
    expect(await get('/readyz')).toMatchObject({ status: 200, json: { complete: true } });
  });

  it('asks for the dead letters of this process at once, and for those of others as often as it is asked', async () => {
    const asked: boolean[] = [];
    const { get, observe } = await serve({
      countDeadLetters: async (hasWritten) => {
        asked.push(hasWritten);
        return [];
      },
    });
    asked.length = 0;
    const response = httpResponse(400);
    observe({ kind: 'deadLettered', code: 'ERR_EXPORT_REJECTED', response, reason: 'too old', recordCount: 1 });
    observe(listingEnded());
    await get('/readyz');
    expect(asked).toEqual([true, false, false]);
  });

  it('does not take dead letters that cannot be counted for none', async () => {
    const location = join(temporaryDirectory(), 'a-file');
    writeFileSync(location, '');
    const tooOld = { response: httpResponse(400), reason: 'HTTP 400: too old', count: 360 };
    const store = openDeadLetterStore({ kind: 'directory', path: location, name: location });
    const { get, observe, waitingDeadLetters, log, countWith } = await serve({ countDeadLetters: () => store.count() });
    observe(listingEnded());
    const series = /^databricks_audit_dead_letters_waiting(?:\{.*\})? (\d+)$/m;
    const isUnknown = async () => {
      expect(await get('/readyz')).toMatchObject({
        status: 503,
        json: {
          complete: false,
          reason: expect.stringMatching(/^dead letters: not known: Could not read .*a-file: ENOTDIR/),
        },
      });
      const { body } = await get('/metrics');
      expect(body).not.toMatch(series);
      expect(body).toMatch(/^databricks_audit_faults_total\{error_type="ERR_DEAD_LETTER_READ"\} [1-9]\d*$/m);
      expect((await get('/status.json')).json).toMatchObject({
        health: { complete: false },
        deadLetterFault: expect.stringContaining('a-file'),
      });
    };
    await isUnknown();
    expect(log.at(-1)).toMatchObject({ level: 'error', fields: { err: { code: 'ERR_DEAD_LETTER_READ' } } });

    waitingDeadLetters.push(tooOld);
    countWith(async () => waitingDeadLetters);
    expect(await get('/readyz')).toMatchObject({ status: 200, json: { complete: false } });
    expect(series.exec(String((await get('/metrics')).body))?.[1]).toBe('360');
    countWith(() => store.count());
    await isUnknown();
  });

  it('shows what earlier processes delivered on the page, while metrics start at zero as Prometheus expects', async () => {
    const workspaces = [
      { workspaceId: '1', acceptedCount: 1_000, deadLetteredCount: 3 },
      { workspaceId: '2', acceptedCount: 50, deadLetteredCount: 0 },
    ];
    const { get, observe, takeOver } = await serve({ deliveredTotals: { createdOn: '2026-01-31', workspaces } });
    observe({ kind: 'workspaceKnown', workspaceId: '2', lastEventMs: 5 });
    expect((await get('/status.json')).json).not.toHaveProperty('delivered');
    await takeOver();
    observe(linesRead(7));
    observe(batchEnded(6, 1));
    expect((await get('/status.json')).json).toMatchObject({
      lines: { read: 7, accepted: 6, deadLettered: 1 },
      delivered: { since: '2026-01-31', accepted: 1_056, deadLettered: 4 },
      workspaces: [
        { id: '1', accepted: 1_006, deadLettered: 4 },
        { id: '2', accepted: 50, deadLettered: 0, lastEventMs: 5 },
      ],
    });
    expect((await get('/metrics')).body).toMatch(/^databricks_audit_lines_accepted_total\{.*\} 6$/m);
  });

  it('probes the collector if nothing has been sent for a while', async () => {
    const { get, observe } = await serve({
      askCollector: async () => ({ answer: { ok: false, message: 'gone', hint: 'start it' } }),
    });
    observe(listingEnded());
    expect(await get('/readyz')).toMatchObject({ status: 503, json: { reason: 'collector: gone' } });
  });

  it('serves metrics unless the exporter is off', async () => {
    const { get, observe } = await serve();
    observe(linesRead(3));
    const { body, headers } = await get('/metrics');
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toContain('databricks_audit_lines_read_total{databricks_workspace_id="1"} 3\n');
    const withoutMetrics = await serve({ exporters: [] });
    expect(await withoutMetrics.get('/metrics')).toMatchObject({ status: 404 });
  });

  it('serves the live page with a content security policy that prevents text from running as code', async () => {
    const { get } = await serve();
    const page = await get('/');
    expect(page).toMatchObject({ status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } });
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*|data:/);
    expect(page.headers['x-content-type-options']).toBe('nosniff');
    expect(page.body).not.toMatch(/<script>|<style|\sstyle=|\son[a-z]+=|(?:src|href)="(?:https?:)?\/\//);
    for (const path of ['/page.css', '/page.js', '/icon.svg']) expect(await get(path)).toMatchObject({ status: 200 });
  });

  it('rejects methods other than GET and HEAD, and returns 404 for unknown paths', async () => {
    const { get } = await serve();
    expect(await get('/livez', { method: 'POST' })).toMatchObject({ status: 405 });
    expect(await get('/livez', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
    for (const path of ['/nothing', '/page.css/..', '/../package.json', '//', '/%2e%2e/package.json']) {
      expect(await get(path)).toMatchObject({ status: 404 });
    }
  });

  it.each(['127.0.0.1', '0.0.0.0', '::', 'localhost'])(
    'rejects requests with an unexpected Host header on %s (DNS rebinding)',
    async (bound) => {
      const { get } = await serve({ http: { host: bound, port: 0 }, httpHosts: ['agent.example.com'] });
      for (const host of ['evil.example:9464', 'evil.example', '127.0.0.1.evil.example', 'agent.example.com.evil']) {
        for (const path of ['/status.json', '/readyz', '/', '/events']) {
          expect(await get(path, { host })).toMatchObject({ status: 421 });
        }
      }
      const expected = ['localhost:9464', 'LOCALHOST', 'localhost.', '127.0.0.1', '[::1]:9464', '10.1.2.3:9464'];
      for (const host of [...expected, 'agent.example.com', 'Agent.Example.com:80']) {
        expect(await get('/status.json', { host })).toMatchObject({ status: 200 });
      }
    },
  );

  it('listens on IPv6 and on all interfaces if configured', async () => {
    for (const host of ['::1', '0.0.0.0', 'localhost']) {
      const { url, get } = await serve({ http: { host, port: 0 } });
      expect(url).toMatch(host === '::1' ? /^http:\/\/\[::1\]:\d+$/ : `http://${host}:`);
      expect(await get('/livez')).toMatchObject({ status: 200 });
    }
  });

  it('logs an error with a hint if the port is in use, and does not stop the agent', async () => {
    const blocker = createServer();
    blocker.listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    onTestFinished(() => void blocker.close());
    const { port } = blocker.address() as AddressInfo;
    const { log, observe } = await serve({ http: { host: '127.0.0.1', port } });
    expect(log).toMatchObject([
      {
        level: 'error',
        fields: { err: { code: 'ERR_HTTP_LISTEN', hint: expect.stringContaining('DATABRICKS_AUDIT_HTTP') } },
      },
    ]);
    observe(linesRead(1));
  });

  it('streams events to at most sixteen pages', async () => {
    const { url, get } = await serve();
    const pages = await Promise.all(Array.from({ length: 16 }, () => open(`${url}/events`)));
    for (const page of pages) expect(JSON.parse(page.firstEvent)).toMatchObject({ lines: { read: 0 } });
    expect(await get('/events')).toMatchObject({ status: 503 });
  });
});

describe('DATABRICKS_AUDIT_HTTP', () => {
  const parse = (text: string) =>
    loadConfiguration({ DATABRICKS_AUDIT_SOURCE: '/deliveries', DATABRICKS_AUDIT_HTTP: text }).telemetry.http;

  it.each([
    ['', { host: '127.0.0.1', port: 9464 }],
    ['0.0.0.0:9464', { host: '0.0.0.0', port: 9464 }],
    ['[::]:80', { host: '::', port: 80 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['off', 'off'],
  ])('accepts %j', (text, expected) => expect(parse(text)).toEqual(expected));

  it.each(['9464', ':9464', '127.0.0.1', '::1:9464', '[nonsense]:1', 'host:70000', 'http://host:1', 'on'])(
    'rejects %j and says what was expected',
    (text) => expect(() => parse(text)).toThrow(/DATABRICKS_AUDIT_HTTP: expected host:port .*, got "/),
  );
});

describe('DATABRICKS_AUDIT_HTTP_HOSTS', () => {
  const parse = (text: string) =>
    loadConfiguration({ DATABRICKS_AUDIT_SOURCE: '/deliveries', DATABRICKS_AUDIT_HTTP_HOSTS: text }).telemetry
      .httpHosts;

  it('lists names, and none by default', () => {
    expect(parse('')).toEqual([]);
    expect(parse('agent, audit-agent.example.com')).toEqual(['agent', 'audit-agent.example.com']);
  });

  it.each(['agent:9464', 'http://agent', '*', 'agent,,other'])('rejects %j', (text) =>
    expect(() => parse(text)).toThrow(/DATABRICKS_AUDIT_HTTP_HOSTS: expected host names without ports/),
  );
});

interface ServeOptions {
  readonly http?: HttpAddress;
  readonly httpHosts?: readonly string[];
  readonly exporters?: readonly 'prometheus'[];
  readonly waitingDeadLetters?: readonly WaitingDeadLetters[];
  readonly countDeadLetters?: (hasWritten: boolean) => Promise<readonly WaitingDeadLetters[]>;
  readonly deliveredTotals?: DeliveredTotals;
  readonly askCollector?: AskCollector;
}

async function serve(options: ServeOptions = {}) {
  const { http = { host: '127.0.0.1', port: 0 }, httpHosts, exporters = ['prometheus'], askCollector } = options;
  const waitingDeadLetters: WaitingDeadLetters[] = [...(options.waitingDeadLetters ?? [])];
  let count: NonNullable<ServeOptions['countDeadLetters']> =
    options.countDeadLetters ?? (async () => waitingDeadLetters);
  const logger = rememberingLogger();
  const telemetry = await startTelemetry(
    {
      http,
      httpHosts,
      metrics: { exporters, pushIntervalMs: 60_000, pushTimeoutMs: 30_000, resourceAttributes: {} },
      pollIntervalMs: 1000,
      sourceNames: [sourceName],
      notifiedSourceNames: [sourceName],
      settings: [],
    },
    {
      clock: systemClock,
      logger,
      stateBytes: () => 0,
      deliveredBefore: async () => [],
      deliveredTotals: async () => options.deliveredTotals,
      waitingDeadLetters: (hasWritten) => count(hasWritten),
      askCollector,
    },
  );
  onTestFinished(() => telemetry.close());
  const url = urlIn(logger.lines);
  return {
    url,
    log: logger.lines,
    waitingDeadLetters,
    countWith: (other: typeof count) => {
      count = other;
    },
    observe: telemetry.watch(),
    takeOver: () => telemetry.takeOver(),
    get: (path: string, how: { method?: string; host?: string } = {}) => get(url, path, how),
  };
}

function urlIn(lines: readonly LogLine[]): string {
  const { url } = (lines[0]?.fields ?? {}) as { url?: unknown };
  return typeof url === 'string' ? url : '';
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly json: unknown;
}

/** Not `fetch`, which normalizes paths and sets the Host header itself. */
async function get(
  url: string,
  path: string,
  { method = 'GET', host }: { method?: string; host?: string },
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const sent = request({
    host: hostname.replace(/[[\]]/g, '').replace(/^(0\.0\.0\.0|::)$/, '127.0.0.1'),
    port,
    path,
    method,
    ...(host === undefined ? {} : { headers: { host } }),
  }).end();
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = await response.toArray();
  const body = Buffer.concat(chunks).toString();
  return {
    status: response.statusCode,
    headers: response.headers,
    body,
    json: body.startsWith('{') ? JSON.parse(body) : undefined,
  };
}

async function open(url: string): Promise<{ readonly firstEvent: string }> {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const response = await fetch(url, { signal: abort.signal });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const { value } = (await response.body?.getReader().read()) ?? {};
  return {
    firstEvent: Buffer.from(value ?? [])
      .toString()
      .replace(/^data: /, ''),
  };
}
