/**
 * From events to the Prometheus exposition.
 */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AgentEvent } from '../../src/contracts/observer.ts';
import { Activity } from '../../src/telemetry/activity.ts';
import { histograms } from '../../src/telemetry/histograms.ts';
import { observedInstruments } from '../../src/telemetry/instruments.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { parsePrometheus, type Sample, sumOf } from '../support/prometheus-text.ts';
import {
  batchEnded,
  httpResponse,
  linesRead,
  listingEnded,
  objectVisited,
  requestEnded,
  sourceName,
  startMs,
  waiting,
} from './events.ts';

describe('the metrics', () => {
  it('reflect the events', async () => {
    const { observe, scrape } = await setUp();
    observe(
      linesRead(10, { alreadyShippedCount: 5 }),
      requestEnded('unavailable', 503),
      waiting(),
      requestEnded('unavailable'),
      requestEnded('partial', 200),
      {
        kind: 'deadLettered',
        code: 'ERR_EXPORT_PARTIAL',
        response: httpResponse(200),
        reason: 'quota',
        recordCount: 2,
      },
      batchEnded(8, 2),
      linesRead(1),
      { kind: 'objectsListed', source: sourceName, workspaceId: '1', listedCount: 7, unchangedCount: 4 },
      objectVisited('settled'),
      listingEnded(),
      { kind: 'silenceChanged', workspaceId: '9', silent: true, lastEventMs: startMs, thresholdMs: 1 },
      { kind: 'alertEventEnded', outcome: 'accepted' },
      { kind: 'alertEventEnded', outcome: 'deadLettered' },
      { kind: 'alertEventEnded', outcome: 'deadLettered' },
    );
    const samples = await scrape();
    const workspace = { databricks_workspace_id: '1' };
    const expected: readonly [string, number | undefined, Record<string, string>?][] = [
      ['databricks_audit_lines_read_total', 16, workspace],
      ['databricks_audit_lines_already_shipped_total', 5, workspace],
      ['databricks_audit_lines_new_total', 11, workspace],
      ['databricks_audit_lines_accepted_total', 8, workspace],
      ['databricks_audit_lines_dead_lettered_total', 2, workspace],
      ['databricks_audit_lines_in_flight', 1, workspace],
      [
        'databricks_audit_dead_letters_total',
        2,
        { error_type: 'ERR_EXPORT_PARTIAL', http_response_status_code: '200' },
      ],
      ['databricks_audit_notices_total', 1, { databricks_audit_outcome: 'accepted' }],
      ['databricks_audit_notices_total', 2, { databricks_audit_outcome: 'dead_lettered' }],
      ['databricks_audit_decoded_bytes_total', 1100],
      ['databricks_audit_sent_bytes_total', 600],
      ['databricks_audit_batches_total', 1, { databricks_audit_outcome: 'mixed' }],
      ['databricks_audit_retries_total', 1, { http_response_status_code: '503' }],
      ['databricks_audit_retries_total', 2],
      ['databricks_audit_objects_listed_total', 7, { databricks_audit_source: sourceName }],
      ['databricks_audit_objects_unchanged_total', 4],
      ['databricks_audit_objects_visited_total', 1, { databricks_audit_outcome: 'settled' }],
      ['databricks_audit_faults_total', 1, { error_type: 'ERR_EXPORT_UNAVAILABLE' }],
      ['databricks_audit_faults_total', 1, { error_type: 'ERR_EXPORT_PARTIAL' }],
      ['databricks_audit_waiting', 1, { databricks_audit_waiting_for: 'collector' }],
      ['databricks_audit_waiting', 0, { databricks_audit_waiting_for: 'state' }],
      ['databricks_audit_last_poll_timestamp_seconds', startMs / 1000, { databricks_audit_source: sourceName }],
      ['databricks_audit_last_event_timestamp_seconds', startMs / 1000 - 60, workspace],
      ['databricks_audit_last_event_timestamp_seconds', undefined, { databricks_workspace_id: '9' }],
      ['databricks_audit_unsettled_oldest_age_seconds', 120, workspace],
      ['databricks_audit_silent', 1, { databricks_workspace_id: '9' }],
      ['databricks_audit_silent', 0, workspace],
      ['databricks_audit_state_size_bytes', 4096],
      ['databricks_audit_delivery_lag_seconds_sum', 120],
      ['databricks_audit_shipping_lag_seconds_bucket', 1, { le: '30' }],
      ['databricks_audit_shipping_lag_seconds_bucket', 0, { le: '15' }],
      ['http_client_request_duration_seconds_count', 1, { http_response_status_code: '503', error_type: '503' }],
      ['http_client_request_duration_seconds_count', 1, { error_type: '_OTHER' }],
      ['http_client_request_duration_seconds_count', 3],
      ['databricks_audit_build_info', 1],
      ['process_cpu_time_seconds_total', 3],
    ];
    expect(expected.map(([name, , ...labels]) => [name, sumOf(samples, name, ...labels), ...labels])).toEqual(expected);
  });

  it('report the age of the oldest event in flight, or 0 if there is none', async () => {
    const { observe, scrape } = await setUp();
    const age = async () => sumOf(await scrape(), 'databricks_audit_unsettled_oldest_age_seconds');
    const older = { eventTimes: { oldestMs: startMs - 500_000, newestMs: startMs, lateCount: 0 } };
    observe(linesRead(1), linesRead(2, older), linesRead(3, older));
    expect(await age()).toBe(500);
    observe(batchEnded(2, 0, older));
    expect(await age()).toBe(500);
    observe(batchEnded(0, 3, older));
    expect(await age()).toBe(120);
    observe(batchEnded(1));
    expect(await age()).toBe(0);
  });

  it('have nothing in flight of a batch whose claim was taken over', async () => {
    const { observe, scrape } = await setUp();
    const { eventTimes } = linesRead(5) as AgentEvent & { kind: 'linesRead' };
    observe(linesRead(5), linesRead(3), { kind: 'batchAbandoned', workspaceId: '1', lineCount: 5, eventTimes });
    expect(sumOf(await scrape(), 'databricks_audit_lines_in_flight')).toBe(3);
    expect(sumOf(await scrape(), 'databricks_audit_unsettled_oldest_age_seconds')).toBe(120);
    observe(batchEnded(3), objectVisited('elsewhere'));
    const samples = await scrape();
    expect(sumOf(samples, 'databricks_audit_lines_in_flight')).toBe(0);
    expect(sumOf(samples, 'databricks_audit_lines_accepted_total')).toBe(3);
    expect(sumOf(samples, 'databricks_audit_unsettled_oldest_age_seconds')).toBe(0);
    const elsewhere = { databricks_audit_outcome: 'elsewhere' };
    expect(sumOf(samples, 'databricks_audit_objects_visited_total', elsewhere)).toBe(1);
  });

  it('count what found the objects with something new, and how messages ended', async () => {
    const { observe, scrape } = await setUp();
    const before = await scrape();
    const found = (by: string) => ({ databricks_audit_found_by: by });
    // From 0 on, or Prometheus sees no increase.
    expect(sumOf(before, 'databricks_audit_objects_found_total', found('listing'))).toBe(0);
    expect(before.filter(({ name }) => name === 'databricks_audit_notifications_total')).toHaveLength(12);
    observe(
      objectVisited('settled'),
      objectVisited('unchanged'),
      { ...objectVisited('damaged'), foundBy: 'notification' } as AgentEvent,
      { kind: 'notificationEnded', outcome: 'unchanged', source: sourceName, lagMs: 1_500 },
      { kind: 'notificationEnded', outcome: 'test', source: undefined, lagMs: undefined },
    );
    const samples = await scrape();
    expect(sumOf(samples, 'databricks_audit_objects_found_total', found('listing'))).toBe(1);
    expect(sumOf(samples, 'databricks_audit_objects_found_total', found('notification'))).toBe(1);
    const ofSource = { databricks_audit_source: sourceName };
    expect(sumOf(samples, 'databricks_audit_notifications_total', ofSource)).toBe(1);
    expect(sumOf(samples, 'databricks_audit_notifications_total')).toBe(2);
    expect(sumOf(samples, 'databricks_audit_notification_lag_seconds_sum')).toBe(1.5);
  });

  it('have exactly the attributes listed in the table of instruments, and so in the documentation', async () => {
    const { observe, scrape, current } = await setUp();
    const unavailable = { protocol: 'grpc', code: 14 } as const;
    const invalid = { protocol: 'grpc', code: 3 } as const;
    observe(
      linesRead(3),
      batchEnded(1, 0, { unparsed: new Map([['not JSON', 1]]) }),
      requestEnded('unavailable', 503),
      requestEnded('unavailable'),
      { kind: 'deadLettered', code: 'ERR_EXPORT_REJECTED', response: httpResponse(400), reason: 'no', recordCount: 1 },
      requestEnded('unavailable', unavailable),
      { kind: 'deadLettered', code: 'ERR_EXPORT_REJECTED', response: invalid, reason: 'no', recordCount: 1 },
      waiting(),
      listingEnded(),
    );
    current().waitingDeadLetters = [httpResponse(400), invalid].map((response) => ({
      response,
      reason: 'no',
      count: 1,
    }));
    const samples = await scrape();
    const prefixes = [...observedInstruments, ...histograms].map(({ name }) => name.replaceAll('.', '_'));
    for (const { name, attributes } of [...observedInstruments, ...histograms]) {
      const prefix = name.replaceAll('.', '_');
      const longer = prefixes.filter((other) => other.startsWith(`${prefix}_`));
      const labels = samples
        .filter((sample) => sample.name.startsWith(prefix) && !longer.some((other) => sample.name.startsWith(other)))
        .flatMap((sample) => Object.keys(sample.labels));
      const expected = attributes.map((attribute) => attribute.replaceAll('.', '_'));
      expect([...new Set(labels)].filter((label) => label !== 'le').sort(), name).toEqual(expected.sort());
    }
    const named = { rpc_response_status_code: 'UNAVAILABLE', error_type: 'UNAVAILABLE' };
    expect(sumOf(samples, 'http_client_request_duration_seconds_count', named)).toBe(1);
    expect(
      sumOf(samples, 'databricks_audit_dead_letters_total', { rpc_response_status_code: 'INVALID_ARGUMENT' }),
    ).toBe(1);
  });

  it('count lines that could not be parsed by reason, beginning with 0', async () => {
    const { observe, scrape } = await setUp();
    const name = 'databricks_audit_lines_unparsed_total';
    expect(sumOf(await scrape(), name)).toBe(0);
    observe(linesRead(5), batchEnded(5, 0, { unparsed: new Map([['not JSON', 3]]) }));
    observe(linesRead(1), batchEnded(0, 1, { unparsed: new Map([['no timestamp', 1]]) }));
    observe(linesRead(1), batchEnded(1, 0, { unparsed: new Map([['not JSON', 1]]) }));
    const samples = await scrape();
    expect(sumOf(samples, name, { databricks_audit_reason: 'not JSON' })).toBe(4);
    expect(sumOf(samples, name)).toBe(5);
  });

  it('combine all workspaces after the two hundredth into one series', async () => {
    const { observe, scrape } = await setUp();
    for (let id = 1; id <= 250; id++) {
      observe(linesRead(2, { workspaceId: String(id) }), batchEnded(1, 0, { workspaceId: String(id) }));
    }
    const samples = await scrape();
    const accepted = samples.filter(({ name }) => name === 'databricks_audit_lines_accepted_total');
    expect(accepted).toHaveLength(201);
    expect(sumOf(accepted, 'databricks_audit_lines_accepted_total')).toBe(250);
    expect(sumOf(accepted, 'databricks_audit_lines_accepted_total', { databricks_workspace_id: '_OTHER' })).toBe(50);
  });

  it('give the most recently active workspaces their own series, however many the state remembers', () => {
    const gone = Array.from({ length: 300 }, (_, id) => ({
      workspaceId: `gone-${id}`,
      date: '2024-01-01',
      lineCount: 1,
    }));
    const before = [...gone, { workspaceId: 'live', date: '2026-03-09', lineCount: 7 }];
    const { workspaces } = new Activity([sourceName], before, () => startMs);
    expect(workspaces.get('live')?.linesByDate).toEqual([['2026-03-09', 7]]);
    expect(workspaces.size).toBe(201);
  });

  it('start from zero with a new agent, as after a restart of the process', async () => {
    const { observe, scrape, startNewAgent } = await setUp();
    observe(linesRead(5));
    expect(sumOf(await scrape(), 'databricks_audit_lines_in_flight')).toBe(5);
    startNewAgent();
    observe(linesRead(2), batchEnded(2));
    const samples = await scrape();
    expect(sumOf(samples, 'databricks_audit_lines_read_total')).toBe(2);
    expect(sumOf(samples, 'databricks_audit_lines_in_flight')).toBe(0);
  });

  it('escape untrusted names in labels', async () => {
    const { observe, scrape } = await setUp();
    const workspaceId = 'a"} 1\ndatabricks_audit_fake 1\\';
    observe(linesRead(2, { workspaceId }));
    const samples = await scrape();
    expect(samples.map(({ name }) => name)).not.toContain('databricks_audit_fake');
    expect(samples.some(({ labels }) => labels.databricks_workspace_id?.startsWith('a"} 1'))).toBe(true);
  });
});

it('a shared state has metrics of its own, and no others have them', async () => {
  const { observe, scrape } = await setUp();
  const names = ['replicas', 'claims', 'claims_taken_over_total', 'claims_lost_total', 'lease_age_seconds'];
  const values = async () => {
    const samples = await scrape();
    return names.map((name) => samples.find((sample) => sample.name === `databricks_audit_${name}`)?.value);
  };
  expect(await values()).toEqual([undefined, undefined, undefined, undefined, undefined]);
  const other = { id: 'a', host: 'there', version: '1.0.0', claimCount: 4, unchangedMs: 0, isAlive: true };
  observe(
    { kind: 'claimTakenOver' },
    { kind: 'claimLost' },
    { kind: 'claimLost' },
    {
      kind: 'replicasSeen',
      atMs: startMs,
      raisedAtMs: startMs - 7000,
      claimCount: 3,
      leads: [],
      others: [other, { ...other, id: 'b', unchangedMs: 50_000, isAlive: false }],
    },
  );
  expect(await values()).toEqual([2, 3, 1, 2, 7]);
});

it('with a shared state, only the replica that watches for silence says which workspaces are silent', async () => {
  const { observe, scrape } = await setUp();
  const silent = async () =>
    (await scrape()).filter(({ name }) => name === 'databricks_audit_silent').map((it) => it.value);
  const seen = { kind: 'replicasSeen', atMs: startMs, raisedAtMs: startMs, claimCount: 0, others: [] } as const;
  observe(linesRead(2), { ...seen, leads: ['sweep'] });
  expect(await silent()).toEqual([]);
  observe({ ...seen, leads: ['silence'] });
  expect(await silent()).toEqual([0]);
  // The SDK repeats the last value of a series that is gone, so a replica that does not watch any more has to say something.
  observe({ ...seen, leads: [] });
  expect(await silent()).toEqual([0]);
});

async function setUp(): Promise<{
  observe: (...events: readonly AgentEvent[]) => void;
  scrape: () => Promise<Sample[]>;
  startNewAgent: () => void;
  current: () => Activity;
}> {
  const newActivity = () => new Activity([sourceName], [], () => startMs, [sourceName]);
  let activity = newActivity();
  const process = { uptimeS: 10, residentBytes: 100_000_000, userCpuS: 2, systemCpuS: 1 };
  const metrics = await createMetrics(
    { exporters: ['prometheus'], pushIntervalMs: 60_000, pushTimeoutMs: 30_000, resourceAttributes: {} },
    () => ({ activity, nowMs: startMs, stateBytes: 4096, process }),
    () => {},
  );
  onTestFinished(() => metrics.close());
  return {
    observe: (...events) => {
      for (const event of events) {
        activity.observe(event);
        metrics.observe(event, startMs);
      }
    },
    scrape: async () => parsePrometheus((await metrics.render?.()) ?? ''),
    current: () => activity,
    startNewAgent: () => {
      activity = newActivity();
    },
  };
}
