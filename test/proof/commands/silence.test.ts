/**
 * A workspace that becomes silent and then has events again, as the collector sees it.
 */
import { expect, it } from 'vitest';
import { scrape, urlOf } from '../../support/agent-http.ts';
import { type AgentProcess, startAgent } from '../../support/agent-process.ts';
import { expectRepeatsAreEqual } from '../../support/deliveries.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace } from '../../support/delivery-place.ts';
import { plainAttributes } from '../../support/otlp-decode.ts';
import { answers, type ReceivedRecord, type ReceivedRequest } from '../../support/otlp-receiver.ts';
import { sumOf } from '../../support/prometheus-text.ts';

const isNotice = ({ record }: ReceivedRecord) => record.eventName?.startsWith('databricks.audit.silence') === true;
const hasNotice = ({ records }: ReceivedRequest) => records.some(isNotice);
const names = (records: readonly ReceivedRecord[]) => records.filter(isNotice).map(({ record }) => record.eventName);

/** The events are of January, so the workspace has long been silent, whenever the test runs. */
async function silentScene() {
  const place = directoryPlace();
  const more = { DATABRICKS_AUDIT_SILENCE_AFTER: '36h', DATABRICKS_AUDIT_MAPPING: 'databricks-audit,elastic' };
  const scene = await deliveryScene(place, more);
  await place.deliver(deliveryKey(), auditLines(3));
  return scene;
}

/** Waits for two more listings. */
async function settleDown(agent: AgentProcess, requestCount: () => number): Promise<void> {
  const before = requestCount();
  const startedAtMs = performance.now();
  await agent.until('some polls are done', () => performance.now() > startedAtMs + 2_500);
  expect(requestCount()).toBe(before);
}

it.each(['http/protobuf', 'http/json'])('raises one event, over %s, and none after a restart', async (protocol) => {
  const { environment, receiver } = await silentScene();
  const over = { ...environment, OTEL_EXPORTER_OTLP_PROTOCOL: protocol };
  const agent = startAgent(['run'], over);
  await agent.until('the silence is reported', () => receiver.accepted.some(isNotice));
  const notice = receiver.accepted.find(isNotice);
  const lastEventMs = 1_769_817_600_002;
  expect(notice?.record).toMatchObject({
    timeUnixNano: `${lastEventMs + 36 * 3_600_000}000000`,
    observedTimeUnixNano: `${lastEventMs + 36 * 3_600_000}000000`,
    severityText: 'WARN',
    body: { stringValue: 'No event of workspace 1 since 2026-01-31T00:00:00.002Z' },
  });
  expect(plainAttributes(notice?.record.attributes ?? [])).toMatchObject({
    'log.record.uid': notice?.uid,
    'elasticsearch.document_id': notice?.uid,
    'databricks.audit.silence.last_event': '2026-01-31T00:00:00.002Z',
    'databricks.audit.silence.threshold': 129_600n,
  });
  expect(plainAttributes(notice?.resource?.attributes ?? [])).toEqual({
    'service.name': 'databricks',
    'service.instance.id': '1:notices',
    'databricks.workspace.id': '1',
  });
  expect(await agent.logged('Workspace is silent')).toMatchObject({ level: 'warn', workspace: '1' });
  await agent.stop();
  const again = startAgent(['run'], over);
  await again.logged('Agent started');
  await settleDown(again, () => receiver.requests.length);
  expect(receiver.accepted).toHaveLength(4);
});

it('does not take late events for the end of a silence, and tells when events are back', async () => {
  const { environment, receiver, place } = await silentScene();
  const agent = startAgent(['run'], environment);
  await agent.until('the silence is reported', () => receiver.accepted.some(isNotice));
  await place.deliver(deliveryKey(), auditLines(5));
  await agent.until('the late lines are shipped', () => receiver.accepted.length === 6);
  await settleDown(agent, () => receiver.requests.length);
  expect(names(receiver.accepted)).toEqual(['databricks.audit.silence']);
  await place.deliver(deliveryKey(), [...auditLines(5), ...auditLines(1, 5, { timestamp: Date.now() })]);
  await agent.until('the end is told', () => receiver.accepted.filter(isNotice).length === 2);
  expect(names(receiver.accepted)).toEqual(['databricks.audit.silence', 'databricks.audit.silence_ended']);
  expect(receiver.accepted).toHaveLength(8);
});

it('repeats an alert event byte for byte if the agent was killed before the response', async () => {
  const { environment, receiver } = await silentScene();
  receiver.answerWhen(hasNotice, answers.loseAnswer());
  const agent = startAgent(['run'], environment);
  await agent.until('the alert event is stored', () => receiver.accepted.some(isNotice));
  await agent.kill();
  receiver.acceptAgain();
  const again = startAgent(['run'], environment);
  await again.until(
    'the alert event is repeated',
    () => receiver.requests.filter((request) => hasNotice(request) && request.answer?.kind === 'accept').length === 1,
  );
  await settleDown(again, () => receiver.requests.length);
  expectRepeatsAreEqual(receiver);
});

it('writes a rejected alert event to the dead letters, like any record, but does not count it as a line', async () => {
  const { environment, receiver, stateDirectory } = await silentScene();
  receiver.answerWhen(hasNotice, answers.status(400, 'too old'));
  const agent = startAgent(['run'], { ...environment, DATABRICKS_AUDIT_HTTP: '127.0.0.1:0' });
  await agent.logged('Collector rejected a record; it was written to a dead-letter file');
  await settleDown(agent, () => receiver.requests.length);
  const samples = await scrape(await urlOf(agent));
  const sum = (name: string, labels = {}) => sumOf(samples, `databricks_audit_${name}`, labels);
  expect(sum('dead_letters_total')).toBe(1);
  expect(sum('notices_total', { databricks_audit_outcome: 'dead_lettered' })).toBe(1);
  expect(sum('lines_dead_lettered_total')).toBe(0);
  expect(sum('lines_new_total')).toBe(sum('lines_accepted_total'));
  await agent.stop();
  const { readdirSync, readFileSync } = await import('node:fs');
  const [file = ''] = readdirSync(`${stateDirectory}/dead-letters`);
  expect(readFileSync(`${stateDirectory}/dead-letters/${file}`, 'utf8')).toContain(
    '"eventName":"databricks.audit.silence"',
  );
});

it('reports nothing while it is behind, and nothing at all if it is turned off', async () => {
  const { environment, receiver, place } = await silentScene();
  receiver.answerWhen(({ records }) => records.some(({ body }) => body?.includes('request-900"')), answers.hang());
  await place.deliver(deliveryKey('1', 'auditlogs_2.json'), auditLines(1, 900));
  const agent = startAgent(['run'], environment);
  await agent.until('the last line is in flight', () => receiver.requests.length === 2);
  await settleDown(agent, () => receiver.requests.length);
  await agent.kill();
  receiver.acceptAgain();
  const off = startAgent(['run'], { ...environment, DATABRICKS_AUDIT_SILENCE_AFTER: '0' });
  await off.until('everything is shipped', () => receiver.accepted.length === 4);
  await settleDown(off, () => receiver.requests.length);
  expect(names(receiver.accepted)).toEqual([]);
});
