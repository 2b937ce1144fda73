/**
 * What becomes of each message, second by second. test/agent/notifications.test.ts has the same with a real queue.
 */
import { describe, expect, it } from 'vitest';
import type { AgentEvent } from '../../../../src/contracts/observer.ts';
import type { VisitOutcome } from '../../../../src/contracts/visit-outcome.ts';
import { AgentError } from '../../../../src/model/agent-error.ts';
import { silentLogger } from '../../../../src/runtime/logger.ts';
import type { S3Api } from '../../../../src/sources/s3/client.ts';
import { SqsNotifications } from '../../../../src/sources/s3/notifications/queue.ts';
import type { SqsApi, SqsMessage, SqsReceiveRequest } from '../../../../src/sources/s3/notifications/sqs-client.ts';
import { ManualClock, settled } from '../../../support/manual-clock.ts';
import { s3Event, testEvent } from '../../../support/notifications.ts';

const key = 'audit/workspaceId=1/date=2026-03-10/auditlogs_1.json';
const other = 'audit/workspaceId=2/date=2026-03-10/auditlogs_2.json';
const hour = 3_600_000;

class Queue implements SqsApi {
  readonly waiting: SqsMessage[] = [];
  /** Calls after the receipt, in order. */
  readonly calls: string[] = [];
  readonly requests: SqsReceiveRequest[] = [];
  failure: AgentError | undefined;

  send(body: string, receiveCount = 1): void {
    this.waiting.push({ body, receiveCount, receiptHandle: `${this.waiting.length}-${receiveCount}` });
  }

  async receive(request: SqsReceiveRequest): Promise<readonly SqsMessage[]> {
    this.requests.push(request);
    return this.waiting.splice(0, request.countMax);
  }

  async delete(handles: readonly string[]): Promise<void> {
    this.#call(`delete ${handles}`);
  }

  async hide(handles: readonly string[], seconds: number): Promise<void> {
    this.#call(`hide ${handles} for ${seconds}`);
  }

  async close(): Promise<void> {}

  #call(what: string): void {
    this.calls.push(what);
    if (this.failure !== undefined) throw this.failure;
  }
}

function setUp() {
  const clock = new ManualClock('2026-03-10T12:00:05Z');
  const sqs = new Queue();
  const heads: string[] = [];
  const present = new Set([key, other]);
  let s3Failure: AgentError | undefined;
  const s3: S3Api = {
    async *list() {},
    async head({ key: looked }) {
      heads.push(looked);
      if (s3Failure !== undefined) throw s3Failure;
      if (!present.has(looked)) return undefined;
      return { key: looked, etag: 'a', sizeBytes: 3, modifiedAtMs: clock.nowMs() };
    },
    async read() {
      throw new Error('nobody opens it here');
    },
    async close() {},
  };
  const events: AgentEvent[] = [];
  const url = 'https://sqs.eu-west-1.amazonaws.com/123456789012/deliveries';
  const location = { kind: 's3', bucket: 'audit-bucket', prefix: 'audit/', name: 's3://audit-bucket/audit' } as const;
  const queue = new SqsNotifications(
    { url, region: 'eu-west-1' },
    { sqs, s3, locations: [location], observe: (event) => events.push(event), clock, logger: silentLogger },
  );
  const faults: AgentError[] = [];
  const receive = (countMax = 10) =>
    queue.receive({
      countMax,
      dates: { from: '2026-03-01', before: undefined },
      signal: new AbortController().signal,
      onFault: (fault) => faults.push(fault),
    });
  const failS3 = (failure: AgentError) => {
    s3Failure = failure;
  };
  return { clock, sqs, heads, events, faults, queue, receive, failS3 };
}

const denied = new AgentError('ERR_SOURCE_ACCESS_DENIED', 'denied');
const notified = (...keys: readonly string[]) =>
  s3Event(...keys.map((each) => ({ bucket: 'audit-bucket', key: each })));

describe('a message', () => {
  it.each<[VisitOutcome, number, string]>([
    [{ status: 'settled' }, 1, 'delete 0-1'],
    [{ status: 'unchanged' }, 1, 'delete 0-1'],
    [{ status: 'damaged', error: denied }, 1, 'delete 0-1'],
    [{ status: 'elsewhere' }, 1, 'hide 0-1 for 30'],
    [{ status: 'released', error: denied }, 1, 'hide 0-1 for 30'],
    [{ status: 'released', error: denied }, 3, 'hide 0-3 for 120'],
    [{ status: 'released', error: denied }, 900, 'hide 0-900 for 900'],
  ])('whose visit ended with %o, received for the %i. time: %s', async (outcome, receiveCount, call) => {
    const { sqs, receive, events } = setUp();
    sqs.send(notified(key), receiveCount);
    const [candidate] = await receive();
    await settled();
    expect(sqs.calls).toEqual([]);
    candidate?.settle(outcome);
    await settled();
    expect(sqs.calls).toEqual([call]);
    expect(events.at(-1)).toMatchObject({ kind: 'notificationEnded', outcome: outcome.status, lagMs: 5_000 });
  });

  it('is hidden from others for as long as its visit takes, together with all others that are held', async () => {
    const { clock, sqs, receive, queue } = setUp();
    sqs.send(notified(key));
    sqs.send(notified(other));
    const [candidate] = await receive();
    for (let passed = 0; passed < 3; passed++) await clock.advance(20_000);
    expect(sqs.calls).toEqual(Array(3).fill('hide 0-1,1-1 for 60'));
    candidate?.settle({ status: 'settled' });
    await clock.advance(20_000);
    expect(sqs.calls.slice(3)).toEqual(['delete 0-1', 'hide 1-1 for 60']);
    await queue.close();
  });

  it('is not extended beyond the twelve hours that SQS allows', async () => {
    const { clock, sqs, receive, queue } = setUp();
    sqs.send(notified(key));
    const [candidate] = await receive();
    for (let passedMs = 0; passedMs < 12 * hour; passedMs += 20_000) await clock.advance(20_000);
    const extended = sqs.calls.length;
    expect(extended * 20_000).toBeGreaterThan(11.5 * hour);
    expect(extended * 20_000).toBeLessThan(12 * hour);
    candidate?.settle({ status: 'settled' });
    await settled();
    expect(sqs.calls.at(-1)).toBe('delete 0-1');
    await queue.close();
  }, 60_000);

  it('is answered together with others for the same object', async () => {
    const { sqs, heads, receive } = setUp();
    for (let sent = 0; sent < 3; sent++) sqs.send(notified(key));
    const candidates = await receive();
    expect(candidates).toHaveLength(1);
    expect(heads).toEqual([key]);
    candidates[0]?.settle({ status: 'settled' });
    await settled();
    expect(sqs.calls.toSorted()).toEqual(['delete 0-1', 'delete 1-1', 'delete 2-1']);
  });

  it('that names several objects ends when the last of them has ended, and comes again if one could not be read', async () => {
    const { sqs, receive } = setUp();
    sqs.send(notified(key, other, 'audit/workspaceId=3/date=2026-03-10/gone.json'));
    const [one, second] = await receive();
    one?.settle({ status: 'released', error: denied });
    await settled();
    expect(sqs.calls).toEqual([]);
    second?.settle({ status: 'settled' });
    await settled();
    expect(sqs.calls).toEqual(['hide 0-1 for 30']);
  });

  it('comes again if its object cannot be looked at, with the reason', async () => {
    const { sqs, receive, faults, failS3 } = setUp();
    failS3(denied);
    sqs.send(notified(key));
    expect(await receive()).toEqual([]);
    await settled();
    expect(sqs.calls).toEqual(['hide 0-1 for 30']);
    expect(faults).toEqual([denied]);
  });

  it('of a date before the start, or outside the layout, costs no request', async () => {
    const { sqs, heads, receive } = setUp();
    sqs.send(notified('audit/workspaceId=1/date=2026-02-28/auditlogs_1.json'));
    sqs.send(notified('other/workspaceId=1/date=2026-03-10/auditlogs_1.json'));
    sqs.send(notified('audit/workspaceId=1/date=2026-03-10/_committed_1.json'));
    sqs.send(notified(`audit/workspaceId=1/date=2026-03-10/${'a'.repeat(1_024)}.json`));
    expect(await receive()).toEqual([]);
    await settled();
    expect(heads).toEqual([]);
    expect(sqs.calls).toHaveLength(4);
  });

  it('is deleted at most once, and an error of the deletion changes nothing', async () => {
    const { sqs, receive, events } = setUp();
    sqs.failure = new AgentError('ERR_QUEUE_READ', 'the queue does not answer');
    sqs.send(testEvent);
    await receive();
    await settled();
    expect(sqs.calls).toEqual(['delete 0-1']);
    expect(events.map(({ kind }) => kind).toSorted()).toEqual(['faultMet', 'notificationEnded']);
  });

  it('that is held when the agent stops is given back at once', async () => {
    const { sqs, receive, queue } = setUp();
    for (let sent = 0; sent < 12; sent++) sqs.send(notified(key));
    await receive();
    await receive();
    await queue.close();
    const handles = Array.from({ length: 12 }, (_, index) => `${index}-1`);
    expect(sqs.calls).toEqual([`hide ${handles.slice(0, 10)} for 0`, `hide ${handles.slice(10)} for 0`]);
  });
});

describe('a receipt', () => {
  it('takes at most what there are places for, and at most ten', async () => {
    const { sqs, receive } = setUp();
    await receive(3);
    await receive(64);
    expect(sqs.requests).toMatchObject([{ countMax: 3, visibilityTimeoutS: 60, waitS: 20 }, { countMax: 10 }]);
  });
});
