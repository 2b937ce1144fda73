/**
 * The communication between main thread and worker, except for the claim, which test/contracts/delivery-state.test.ts covers.
 */

import { describe, expect, it } from 'vitest';
import type { MainProxy } from '../../../src/agent/workers/main-proxy.ts';
import type { Claim } from '../../../src/contracts/delivery-state.ts';
import type { AgentEvent } from '../../../src/contracts/observer.ts';
import type { VisitOutcome } from '../../../src/contracts/visit-outcome.ts';
import { createFailureReporter } from '../../../src/export/index.ts';
import { deadLetterDirectory } from '../../../src/export/options.ts';
import { AgentError } from '../../../src/model/agent-error.ts';
import type { DeliveredObject } from '../../../src/model/object.ts';
import type { Visitor } from '../../../src/pipeline/object-shipper.ts';
import { leapingClock, rememberingLogger } from '../../export/fixtures.ts';
import { bodyOf, readDeadLetters } from '../../support/deliveries.ts';
import { settled } from '../../support/manual-clock.ts';
import { memoryObject } from '../../support/memory-object.ts';
import { MemoryStore, openMemoryState } from '../../support/memory-state.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { workerHere } from '../../support/worker-here.ts';

const never = new AbortController().signal;
const object = memoryObject('{}\n');
const done: VisitOutcome = { status: 'settled' };

/** Workers with one main thread. */
function setUp() {
  const logger = rememberingLogger();
  const clock = leapingClock();
  const events: AgentEvent[] = [];
  const observe = (event: AgentEvent) => void events.push(event);
  const [stopping, abandon] = [new AbortController(), new AbortController()];
  const letters = temporaryDirectory();
  const failures = createFailureReporter({ deadLetters: deadLetterDirectory(letters), clock, logger, observe });
  const store = new MemoryStore();
  const state = openMemoryState({ store });
  const services = { failures, stopping: stopping.signal, abandon: abandon.signal, observe, logger };
  const worker = (visit: (main: MainProxy, ...given: Parameters<Visitor['visit']>) => Promise<VisitOutcome>) =>
    shippingIn(workerHere(services, (main) => ({ visit: (...given) => visit(main, ...given) })));
  /** Each visit has its own object. */
  let visitCount = 0;
  const shippingIn = (proxy: ReturnType<typeof workerHere>) => ({
    fail: proxy.fail,
    async ship(of: DeliveredObject, signal: AbortSignal): Promise<VisitOutcome> {
      const id = `${of.origin.id}-${++visitCount}` as typeof of.origin.id;
      const named = { ...of, origin: { ...of.origin, id } };
      const claim = await state.claim(named, never);
      if (typeof claim === 'string') throw new Error(claim);
      return await proxy.visit(named, claim, signal);
    },
  });
  return { worker, shippingIn, logger, events, services, state, store, stopping, abandon, letters, failures };
}

const unavailable = (message: string) => new AgentError('ERR_EXPORT_UNAVAILABLE', message, { hint: 'Wait.' });

describe('a visit in a worker', () => {
  it('ends with the error of the worker: its code, its hint, and its cause as rendered in the log', async () => {
    const { worker } = setUp();
    const cause = new Error('socket hang up', { cause: new TypeError('no socket') });
    const error = new AgentError('ERR_SOURCE_READ', 'cut', { cause, hint: 'It is read again.' });
    const end = await worker(async () => ({ status: 'released', error })).ship(object, never);
    if (end.status !== 'released') throw new Error(end.status);
    expect(end.error).toBeInstanceOf(AgentError);
    expect(end.error).toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: 'cut',
      hint: 'It is read again.',
      cause: { message: 'socket hang up', cause: { message: 'no socket' } },
    });
  });

  it('does not begin without all of its settled lines: it is released if they are gone, and elsewhere if the claim is', async () => {
    const { state } = setUp();
    const gone = new AgentError('ERR_STATE_UNAVAILABLE', 'Line hashes expired', { hint: 'It is visited again.' });
    const lost = new AbortController();
    const visitor = workerHere({}, () => ({ visit: () => Promise.reject(new Error('it has not begun')) }));
    const claim = await state.claim(object, never);
    if (typeof claim === 'string') throw new Error(claim);
    const without: Claim = {
      known: claim.known,
      announcements: claim.announcements,
      lost: lost.signal,
      settledLineHashes: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(gone) }) }),
      announce: (each) => claim.announce(each),
      settle: (each) => claim.settle(each),
      finish: (...end) => claim.finish(...end),
      forget: () => claim.forget(),
      flush: (signal) => claim.flush(signal),
      release: () => claim.release(),
    };
    expect(await visitor.visit(object, without, never)).toEqual({ status: 'released', error: gone });
    lost.abort(new Error('the claim is lost'));
    expect(await visitor.visit(object, without, never)).toEqual({ status: 'elsewhere' });
    await expect(visitor.visit(object, without, AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  });

  it('rejects with ERR_STATE_DAMAGED as an AgentError, which makes the agent start again', async () => {
    const { worker } = setUp();
    const damage = new AgentError('ERR_STATE_DAMAGED', 'The state database is damaged');
    const failure = await worker(() => Promise.reject(damage))
      .ship(object, never)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AgentError);
    expect(failure).toMatchObject({ code: 'ERR_STATE_DAMAGED' });
  });

  it('knows whether the object may still grow', async () => {
    const { worker } = setUp();
    const { ship } = worker(async (_, { growing }) => (growing ? { status: 'growing' } : { status: 'settled' }));
    expect(await ship({ ...object, growing: true }, never)).toEqual({ status: 'growing' });
    expect(await ship(object, never)).toEqual({ status: 'settled' });
  });

  it('stops with the signal of the visit, and rejects with its reason; requests in flight continue until they are abandoned', async () => {
    const { worker, abandon } = setUp();
    const stop = new AbortController();
    const told: string[] = [];
    const begun = Promise.withResolvers<void>();
    const { ship } = worker(async (main, _, __, signal) => {
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      told.push('stopped');
      await new Promise((resolve) => main.abandon.addEventListener('abort', resolve));
      told.push('abandoned');
      throw signal.reason;
    });
    const visit = ship(object, stop.signal).catch((error: unknown) => error);
    const reason = new Error('stopped by SIGTERM');
    await begun.promise;
    stop.abort(reason);
    await expect.poll(() => told).toEqual(['stopped']);
    abandon.abort(reason);
    expect(await visit).toBe(reason);
    expect(told).toEqual(['stopped', 'abandoned']);
  });

  it('abandons a dead letter that waits for disk space when the agent stops, and settles what is complete', async () => {
    const { services, shippingIn, state, store, stopping } = setUp();
    const [waiting, asked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const deadLetters = {
      async write() {
        asked.resolve();
        await waiting.promise;
      },
      async close() {},
    };
    const position = { offsetBytes: 3, lineCount: 1, digest: new Uint8Array(32) };
    const { ship } = shippingIn(
      workerHere({ ...services, failures: { ...services.failures, deadLetters } }, (main) => ({
        async visit(_, claim) {
          const lines = { lineHashes: new Int32Array(2), observedRuns: [{ observedAtMs: 5, lineCount: 1 }] };
          const ended = { announcementId: undefined, position, ...lines, acceptedCount: 1 };
          const write = main.failures.deadLetters.write([], { protocol: 'http', code: 400, reason: 'no' }, never);
          await write.finally(() => claim.settle({ ...ended, deadLetteredCount: 0 }));
          return done;
        },
      })),
    );
    const reason = new Error('stopped by SIGTERM');
    const stop = new AbortController();
    const visit = ship(object, stop.signal).catch((error: unknown) => error);
    await asked.promise;
    stopping.abort(reason);
    stop.abort(reason);
    waiting.reject(reason);
    expect(await visit).toBe(reason);
    // The main thread releases the claim, which writes what was settled.
    await state.close();
    expect([...store.registers.values()].map((register) => register.state.settled)).toEqual([position]);
  });

  it('fails with the failure of its worker, and so does every later visit', async () => {
    const { worker } = setUp();
    const failing = worker(() => new Promise(() => {}));
    const visits = [failing.ship(object, never), failing.ship(object, never)];
    const ends = Promise.allSettled(visits);
    const reason = new Error('out of memory');
    failing.fail(reason);
    expect(await ends).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ]);
    await expect(failing.ship(object, never)).rejects.toBe(reason);
  });
});

describe('workers', () => {
  it('share one outage: one log line when it starts and one when it ends, and one wait', async () => {
    const { worker, logger, events } = setUp();
    const failing = async (main: MainProxy) => {
      for (let attempt = 1; attempt <= 3; attempt++) {
        main.failures.outages.failed({ status: 'unavailable', error: unavailable('down'), retryAtMs: 1 });
      }
      return done;
    };
    await Promise.all([worker(failing).ship(object, never), worker(failing).ship(object, never)]);
    const { ship } = worker(async (main) => {
      main.failures.outages.answered();
      return done;
    });
    await ship(object, never);
    expect(logger.lines).toMatchObject([
      {
        level: 'warn',
        message: expect.stringContaining('does not accept records'),
        fields: { err: { code: 'ERR_EXPORT_UNAVAILABLE' } },
      },
      { level: 'info', message: 'Collector accepts records again', fields: { attempts: 6 } },
    ]);
    expect(events.map((event) => event.kind)).toEqual([...Array(6).fill('waiting'), 'resumed']);
    expect(events.at(-2)).toMatchObject({
      for: 'collector',
      failedAttempts: 6,
      fault: { message: 'down', hint: 'Wait.' },
    });
  });

  it('share one dead-letter file, and continue when a dead letter is on disk', async () => {
    const { worker, letters, failures } = setUp();
    const refused = (text: string) => async (main: MainProxy) => {
      const body = { stringValue: text };
      const record = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{ body }] }] }] });
      await main.failures.deadLetters.write([record], { protocol: 'http', code: 400, reason: 'no' }, never);
      expect(readDeadLetters(letters).map(bodyOf)).toContain(text);
      return done;
    };
    const texts = ['one', 'two', 'three'];
    await Promise.all(texts.map((text) => worker(refused(text)).ship(object, never)));
    await failures.deadLetters.close();
    expect(readDeadLetters(letters).map(bodyOf).sort()).toEqual(texts.toSorted());
  });

  it('share one log: errors as fields, and one line for all of what is sampled', async () => {
    const { worker, logger } = setUp();
    const { ship } = worker(async (main) => {
      main.logger.warn({ object: 'a\u001b[2J', err: unavailable('down') }, 'Odd');
      for (let i = 0; i < 3; i++) main.failures.log.write('error', { reason: 'too late' }, 'Refused', 'a hint');
      return done;
    });
    await ship(object, never);
    expect(logger.lines).toEqual([
      {
        level: 'warn',
        message: 'Odd',
        fields: {
          object: 'a\\u{1b}[2J',
          err: { message: 'down', code: 'ERR_EXPORT_UNAVAILABLE', hint: 'Wait.' },
        },
      },
      { level: 'error', message: 'Refused', fields: { reason: 'too late' } },
    ]);
  });

  it('report all their events to observers before the visit ends', async () => {
    const { worker, events } = setUp();
    const listed: AgentEvent = { kind: 'resumed', for: 'state' };
    const { ship } = worker(async (main) => {
      for (let i = 0; i < 100; i++) main.observe(listed);
      return done;
    });
    await ship(object, never);
    expect(events).toHaveLength(100);
    await settled();
  });
});
