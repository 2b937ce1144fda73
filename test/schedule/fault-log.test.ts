import { describe, expect, it } from 'vitest';
import { unobserved } from '../../src/contracts/observer.ts';
import { AgentError, type ErrorCode } from '../../src/model/agent-error.ts';
import { FaultLog } from '../../src/schedule/fault-log.ts';
import { ManualClock } from '../support/manual-clock.ts';

const [minute, hour] = [60_000, 3_600_000];

function setUp() {
  const clock = new ManualClock('2026-03-10T12:00:00Z');
  const logged: string[] = [];
  const note = (level: string) => (fields: object, message: string) => {
    const { err, occurrences, code } = fields as { err?: AgentError; occurrences?: number; code?: string };
    logged.push(
      [level, err?.message ?? `${message}: ${code}`, occurrences].filter((part) => part !== undefined).join(' '),
    );
  };
  const logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const create = (other?: FaultLog) =>
    new FaultLog({ source: 's3://audit', observe: unobserved, clock, logger }, other);
  const log = create();
  /** A listing with these faults, whose objects were all read. */
  const list = (faults: readonly AgentError[], of = log) => {
    const end = of.beginListing();
    for (const fault of faults) of.report(fault, 'odd');
    end();
  };
  /** What was logged since the last call. */
  const news = () => logged.splice(0);
  return { clock, create, log, list, news };
}

const fault = (message: string, code: ErrorCode = 'ERR_SOURCE_LAYOUT') => new AgentError(code, message);

describe('FaultLog', () => {
  it('logs a recurring fault once, again when it changes, and once an hour', async () => {
    const { clock, list, news } = setUp();
    for (let poll = 0; poll < 30; poll++) {
      list([fault('nothing yet')]);
      await clock.advance(minute);
    }
    expect(news()).toEqual(['warn nothing yet']);
    list([fault('only others')]);
    expect(news()).toEqual(['warn only others 31']);
    await clock.advance(30 * minute);
    list([fault('only others')]);
    list([fault('only others')]);
    expect(news()).toEqual(['warn only others 32']);
  });

  it('logs a fault again after the clock was set back', async () => {
    const { clock, list, news } = setUp();
    list([fault('nothing yet')]);
    await clock.advance(-24 * hour);
    list([fault('nothing yet')]);
    expect(news()).toEqual(['warn nothing yet', 'warn nothing yet']);
  });

  it('logs when a fault is resolved, and logs it anew when it comes back', () => {
    const { list, news } = setUp();
    const [empty, denied] = [fault('nothing yet'), fault('denied', 'ERR_SOURCE_ACCESS_DENIED')];
    list([empty, denied]);
    list([denied]);
    expect(news()).toEqual(['warn nothing yet', 'error denied', 'info Source recovered: ERR_SOURCE_LAYOUT 1']);
    list([empty, denied]);
    expect(news()).toEqual(['warn nothing yet']);
  });

  it('does not consider a fault resolved while the objects of a listing are still being read', () => {
    const { log, list, news } = setUp();
    const end = log.beginListing();
    list([fault('denied', 'ERR_SOURCE_ACCESS_DENIED')]);
    end();
    expect(news()).toEqual(['error denied']);
  });

  it('logs no recovery from a fault of one version of an object', () => {
    const { list, news } = setUp();
    list([
      fault('damaged', 'ERR_OBJECT_DAMAGED'),
      fault('an array', 'ERR_OBJECT_FORMAT'),
      fault('changed', 'ERR_OBJECT_CHANGED'),
    ]);
    list([]);
    expect(news()).toEqual(['error damaged', 'error an array', 'debug changed']);
  });

  it('logs each object, even if all have the same fault', () => {
    const { log, news } = setUp();
    const damaged = fault('the stream is cut', 'ERR_OBJECT_DAMAGED');
    for (const object of ['a', 'b', 'a']) log.report(damaged, 'Object is damaged', { object });
    expect(news()).toHaveLength(2);
  });

  it('logs the first faults of a code in full, and then the count at powers of ten', () => {
    const { list, news } = setUp();
    list(Array.from({ length: 1000 }, (_, i) => fault(`denied ${i + 1}`)));
    const inFull = [1, 2, 3, 4, 5].map((i) => `warn denied ${i}`);
    expect(news()).toEqual([...inFull, 'warn denied 10 10', 'warn denied 100 100', 'warn denied 1000 1000']);
  });

  it('skips what the log of other dates has already logged about the same source', () => {
    const { create, log, list, news } = setUp();
    const older = create(log);
    list([fault('nothing yet')]);
    list([fault('nothing yet'), fault('odd names')], older);
    expect(news()).toEqual(['warn nothing yet', 'warn odd names']);
  });
});
