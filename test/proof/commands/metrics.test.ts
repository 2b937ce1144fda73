/**
 * Guarantee 6 with the real process: the metrics add up at every moment, and agree with what the collector received.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import { scrape, untilEnded, urlOf } from '../../support/agent-http.ts';
import { type Environment, startAgent } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { answers, type OtlpReceiver, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { type Sample, sumOf } from '../../support/prometheus-text.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const lines = (name: string) => `databricks_audit_lines_${name}`;

describe('the metrics of a running agent', () => {
  it('add up at every scrape, for each workspace, under load and with every kind of response', {
    timeout: 120_000,
  }, async () => {
    const { receiver, environment, place } = await scene();
    const workspaceIds = ['1', '2', '3', '4'];
    for (const id of workspaceIds) await place.deliver(deliveryKey(id), auditLines(3000, 10_000 * Number(id)));
    // One request in thirteen gets a retryable error, one in seven has a record rejected, one in eleven is accepted in part.
    receiver.answerWhen(({ index }) => index % 13 === 1, answers.status(503, 'busy', { 'retry-after': '0' }));
    receiver.answerWhen(
      ({ index }) => index % 7 === 2,
      answers.refuseRecords(({ body }) => body?.endsWith('7"}') === true),
    );
    receiver.answerWhen(({ index }) => index % 11 === 3, answers.partial(2));
    const agent = startAgent(['run'], { ...environment, DATABRICKS_AUDIT_BATCH_RECORDS: '50' });
    const url = await urlOf(agent);

    let sawInFlight = false;
    let scrapeCount = 0;
    await agent.until(
      'all lines were accepted or dead-lettered',
      async () => {
        const samples = await scrape(url);
        scrapeCount++;
        for (const id of [undefined, ...workspaceIds]) expectSumsToAgree(samples, id);
        sawInFlight ||= (sumOf(samples, lines('in_flight')) ?? 0) > 0;
        const ended =
          (sumOf(samples, lines('accepted_total')) ?? 0) + (sumOf(samples, lines('dead_lettered_total')) ?? 0);
        return ended === 12_000;
      },
      100_000,
    );
    expect(scrapeCount).toBeGreaterThan(10);
    expect(sawInFlight).toBe(true);

    await place.deliver(deliveryKey('1'), auditLines(3010, 10_000));
    await untilEnded(agent, 12_010);
    const samples = await scrape(url);
    expectSumsToAgree(samples, '1');
    expect(sumOf(samples, lines('already_shipped_total'))).toBe(3000);
    expect(sumOf(samples, lines('new_total'))).toBe(12_010);
    expect(new Set(receiver.acceptedUids()).size).toBeGreaterThanOrEqual(sumOf(samples, lines('accepted_total')) ?? 0);
    expect(sumOf(samples, lines('dead_lettered_total'))).toBeGreaterThan(0);
    expect(sumOf(samples, 'databricks_audit_dead_letters_total')).toBe(sumOf(samples, lines('dead_lettered_total')));
    expect(sumOf(samples, 'http_client_request_duration_seconds_count')).toBe(receiver.requests.length);
    await agent.stop();
  });

  it('are pushed to the collector with OTEL_METRICS_EXPORTER=otlp, and once more at shutdown', async () => {
    const { receiver, environment, place } = await scene();
    receiver.answerWhen(
      ({ path }) => path === '/v1/metrics',
      answers.plain(200, '', { 'content-type': 'application/x-protobuf' }),
    );
    await place.deliver(deliveryKey(), auditLines(3));
    const agent = startAgent(['run'], {
      ...environment,
      DATABRICKS_AUDIT_HTTP: 'off',
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
    });
    const pushes = () => receiver.requests.filter(({ path }) => path === '/v1/metrics');
    await agent.until('metrics arrive', () =>
      pushes().some(({ body }) => body.includes('databricks.audit.lines.accepted')),
    );
    expect(pushes()[0]?.headers['content-type']).toBe('application/x-protobuf');
    const countBefore = pushes().length;
    expect(await agent.stop()).toMatchObject({ code: 0 });
    expect(pushes().length).toBeGreaterThan(countBefore);
  });

  it('that the collector does not accept cause a warning in the log, and shipping continues', async () => {
    const { receiver, environment, place } = await scene();
    await place.deliver(deliveryKey(), auditLines(3));
    const agent = startAgent(['run'], {
      ...environment,
      OTEL_METRICS_EXPORTER: 'otlp,prometheus',
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
    });
    const warning = await agent.logged('Could not push metrics to the collector; shipping is not affected');
    expect(warning).toMatchObject({ level: 'warn', reason: expect.stringContaining('404') });
    await untilEnded(agent, 3);
    expect(receiver.accepted).toHaveLength(3);
  });
});

interface Scene {
  readonly receiver: OtlpReceiver;
  readonly place: ReturnType<typeof directoryPlace>;
  readonly environment: Environment;
}

async function scene(): Promise<Scene> {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const place = directoryPlace();
  const environment = {
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_HTTP: '127.0.0.1:0',
    DATABRICKS_AUDIT_LOOKBACK: '36500d', // The lines are of one day, which is rarely within the last week.
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  };
  return { receiver, place, environment };
}

function expectSumsToAgree(samples: readonly Sample[], workspaceId: string | undefined): void {
  const count = (name: string) =>
    sumOf(samples, lines(name), workspaceId === undefined ? {} : { databricks_workspace_id: workspaceId }) ?? 0;
  expect(count('read_total')).toBe(count('new_total') + count('already_shipped_total'));
  expect(count('new_total')).toBe(count('accepted_total') + count('dead_lettered_total') + count('in_flight'));
}
