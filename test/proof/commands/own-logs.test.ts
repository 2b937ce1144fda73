/**
 * The agent's own log, sent to the collector.
 */
import { expect, it, onTestFinished } from 'vitest';
import { type Environment, startAgent } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { answers, type OtlpReceiver, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

it('arrives as a separate service, with severity and fields, and is still written to standard error', async () => {
  const { receiver, environment } = await scene();
  const agent = startAgent(['run'], { ...environment, OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test' });
  const own = () => receiver.accepted.filter(({ uid }) => uid === undefined);
  await agent.until('the log arrives', () => own().some(({ body }) => body === 'Agent started'));
  await agent.until('the lines arrive', () => receiver.acceptedUids().length === 3);
  expect(await agent.logged('Agent started')).toMatchObject({ level: 'info' });
  const begin = own().find(({ body }) => body === 'Agent started');
  expect(begin?.record).toMatchObject({ severityText: 'INFO' });
  expect(begin?.json).toContain('"databricks-audit-otel"');
  expect(begin?.json).toContain('deployment.environment.name');
  expect(begin?.json).toContain('http/protobuf');
});

it.each([
  ['http/protobuf', 'http/json', 'application/json'],
  ['http/json', 'http/protobuf', 'application/x-protobuf'],
])('is sent like the records: with %s in general and %s for logs, all is %s', async (general, logs, contentType) => {
  const { receiver, environment } = await scene();
  const agent = startAgent(['run'], {
    ...environment,
    OTEL_EXPORTER_OTLP_PROTOCOL: general,
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: logs,
  });
  await agent.until('the lines arrive', () => receiver.acceptedUids().length === 3);
  await agent.until('the log arrives', () => receiver.accepted.some(({ body }) => body === 'Agent started'));
  expect(await agent.stop()).toMatchObject({ code: 0 });
  expect(new Set(receiver.requests.map(({ headers }) => headers['content-type']))).toEqual(new Set([contentType]));
});

it('does not log its own failures: a collector that accepts nothing causes no additional lines', async () => {
  const { receiver, environment } = await scene();
  receiver.answerWhen(({ records }) => records.length > 0, answers.status(400, 'not this'));
  const agent = startAgent(['run'], environment);
  await agent.logged('Collector rejected a record; it was written to a dead-letter file');
  await agent.until('own logs were rejected', () => receiver.requests.some(({ records }) => isOwn(records)));
  const ownRequests = receiver.requests.filter(({ records }) => isOwn(records)).length;
  const lineCount = agent.log.length;
  const { log } = await agent.stop();
  const told = log.slice(lineCount).map(({ msg }) => msg);
  expect(told.filter((message) => !/^(Stopping|Stopped|Dead letters are not in the backend$)/.test(message))).toEqual(
    [],
  );
  expect(told.length).toBeLessThanOrEqual(3);
  expect(ownRequests).toBeLessThan(10);
  expect(agent.stderr).not.toMatch(/own log/i);
});

it('does not delay the shutdown if the collector is down', async () => {
  const { receiver, environment } = await scene();
  await receiver.close();
  const agent = startAgent(['run'], { ...environment, OTEL_METRICS_EXPORTER: 'otlp' });
  await agent.logged('Collector does not accept records; shipping pauses, nothing is lost');
  const { code, log } = await agent.stop();
  expect({ code, last: log.at(-1)?.msg }).toEqual({ code: 0, last: 'Stopped; the state has been saved' });
});

function isOwn(records: OtlpReceiver['accepted']): boolean {
  return records.some(({ uid }) => uid === undefined);
}

async function scene(): Promise<{ receiver: OtlpReceiver; environment: Environment }> {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const place = directoryPlace();
  await place.deliver(deliveryKey(), auditLines(3));
  const environment = {
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_SELF_LOGS: 'otlp',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  };
  return { receiver, environment };
}
