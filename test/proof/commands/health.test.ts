/**
 * Health of the real process, as probes and people see it.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import { urlOf } from '../../support/agent-http.ts';
import { startAgent } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { answers, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const statesUrl = new URL('../../delivery/states/', import.meta.url);

describe('readyz', () => {
  it('distinguishes an idle agent from one that could not ship', async () => {
    const { receiver, environment } = await scene();
    const agent = startAgent(['run'], environment);
    const url = await urlOf(agent);
    await agent.until('everything was listed', async () => (await ask(url, 'readyz')).json.complete === true);
    expect((await ask(url, 'readyz')).json).toMatchObject({ ok: true, status: 'idle' });
    expect(receiver.accepted).toHaveLength(0);

    await receiver.close();
    const other = startAgent(['run'], { ...environment, DATABRICKS_AUDIT_STATE: temporaryDirectory() });
    const otherUrl = await urlOf(other);
    const unable = () => ask(otherUrl, 'readyz');
    await other.until('the source was listed', async () => /^collector: /.test(String((await unable()).json.reason)));
    expect(await unable()).toMatchObject({
      status: 503,
      json: { ok: false, reason: expect.stringContaining('could not be reached') },
    });
    expect((await ask(otherUrl, 'livez')).status).toBe(200);
  });

  it('names a source that does not exist', async () => {
    const { environment } = await scene();
    const agent = startAgent(['run'], { ...environment, DATABRICKS_AUDIT_SOURCE: '/no/such/place' });
    const url = await urlOf(agent);
    await agent.until('the listing has failed', async () =>
      /no file or directory/.test(String((await ask(url, 'readyz')).json.reason)),
    );
    expect(await ask(url, 'readyz')).toMatchObject({
      status: 503,
      json: { reason: expect.stringContaining('/no/such/place') },
    });
  });
});

it('an agent whose port is in use still ships', async () => {
  const { receiver, environment, place } = await scene();
  await place.deliver(deliveryKey(), auditLines(3));
  const first = startAgent(['run'], environment);
  const { host } = new URL(await urlOf(first));
  await first.until('it ships', () => receiver.accepted.length === 3);
  const second = startAgent(['run'], {
    ...environment,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_HTTP: host,
  });
  const error = await second.logged('Could not serve health, metrics and the live page; shipping continues');
  expect(error).toMatchObject({
    level: 'error',
    err: { code: 'ERR_HTTP_LISTEN', hint: expect.stringContaining('DATABRICKS_AUDIT_HTTP') },
  });
  await second.until('it ships', () => receiver.accepted.length === 6);
});

it('responses that are never read do not block shipping', async () => {
  const { receiver, environment, place } = await scene();
  const agent = startAgent(['run'], environment);
  const url = await urlOf(agent);
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  // Sixteen open pages that do not read.
  await Promise.all(Array.from({ length: 16 }, () => fetch(`${url}/events`, { signal: abort.signal })));
  await place.deliver(deliveryKey(), auditLines(2000));
  await agent.until('it ships', () => receiver.accepted.length === 2000);
  expect((await ask(url, 'livez')).status).toBe(200);
});

it('after a restart, totals and charts show what was delivered before, and the page masks secrets', async () => {
  const { receiver, environment, place } = await scene();
  await place.deliver(deliveryKey('7'), auditLines(5));
  const secret = { ...environment, OTEL_EXPORTER_OTLP_HEADERS: 'authorization=s3cr3t' };
  const first = startAgent(['run'], secret);
  const shown = async (url: string) => (await ask(url, 'status.json')).json;
  const dates = [{ date: '2026-01-31', lines: 5 }];
  const firstUrl = await urlOf(first);
  await first.until('it ships', async () => JSON.stringify(await shown(firstUrl)).includes('"accepted":5'));
  expect(await shown(firstUrl)).toMatchObject({ workspaces: [{ id: '7', accepted: 5, dates }] });
  await first.stop();
  const second = startAgent(['run'], secret);
  const secondUrl = await urlOf(second);
  const lastEventMs = 1_769_817_600_004;
  // The server responds before the agent has opened its state.
  await expect
    .poll(() => shown(secondUrl))
    .toMatchObject({
      lines: { accepted: 0 },
      delivered: { accepted: 5 },
      workspaces: [{ id: '7', accepted: 5, lastEventMs, dates }],
    });
  expect(JSON.stringify(await shown(secondUrl))).not.toContain('s3cr3t');
  expect(receiver.requests[0]?.headers.authorization).toBe('s3cr3t');
});

async function ask(
  url: string,
  path: string,
): Promise<{ readonly status: number; readonly json: Record<string, unknown> }> {
  const response = await fetch(`${url}/${path}`);
  return { status: response.status, json: await response.json() };
}

async function scene() {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  // Responds to an empty request as Loki does, which does not mean that it is down.
  receiver.answerWhen(({ records }) => records.length === 0, answers.status(422, 'empty'));
  const place = directoryPlace();
  mkdirSync(join(place.source, 'workspaceId=1/date=2026-01-31'), { recursive: true });
  const environment = {
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_HTTP: '127.0.0.1:0',
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  };
  return { receiver, place, environment };
}

it.each(readdirSync(statesUrl))('`run` continues with the state of an earlier version (%s)', async (file) => {
  const stateDirectory = temporaryDirectory();
  const database = new DatabaseSync(join(stateDirectory, 'delivery.db'));
  database.exec(readFileSync(new URL(file, statesUrl), 'utf8'));
  database.close();
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const place = directoryPlace();
  await place.deliver(deliveryKey(), auditLines(3));
  const agent = startAgent(['run'], {
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: stateDirectory,
    DATABRICKS_AUDIT_HTTP: '127.0.0.1:0',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  });
  const url = await urlOf(agent);
  await agent.until('it ships', () => receiver.accepted.length === 3);
  await agent.until('it has summed up what was delivered', async () => {
    const status = (await (await fetch(`${url}/status.json`)).json()) as { delivered?: { accepted: number } };
    return status.delivered !== undefined && status.delivered.accepted > 3;
  });
  expect(await agent.stop()).toMatchObject({ code: 0 });
});
