/**
 * `DATABRICKS_AUDIT_WORKERS` with the real process: the guarantees for one thread also hold for several. The kill table
 * (kill-table.test.ts) has its own rows with workers.
 *
 * `TEST_WORKERS=2 npm run proof -- commands delivery` runs the other tests with workers as well.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createAgent } from '../../../src/agent/agent.ts';
import { loadConfiguration } from '../../../src/config/index.ts';
import { type Environment, runAgent, startAgent } from '../../support/agent-process.ts';
import {
  bodiesOf,
  bodyOf,
  expectNothingLost,
  expectRepeatsAreEqual,
  isQuiet,
  readDeadLetters,
  repeatedUids,
} from '../../support/deliveries.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace, smallBatches } from '../../support/delivery-place.ts';
import { answers } from '../../support/otlp-receiver.ts';

const objectCount = 6;
const keys = Array.from({ length: objectCount }, (_, index) => deliveryKey('1', `auditlogs_${index}.json`));
const failAtStep = new URL('../../support/fail-at-step.ts', import.meta.url).href;

/** Six objects of twelve lines, so that both workers have several at once. */
async function scene(more: Environment = {}) {
  const place = directoryPlace();
  const all = await deliveryScene(place, { DATABRICKS_AUDIT_WORKERS: '2', ...more });
  const contents = new Map(keys.map((key, index) => [key, auditLines(12, 1000 * index)]));
  for (const [key, lines] of contents) await place.deliver(key, lines);
  return { ...all, contents, lines: [...contents.values()].flat() };
}

describe('two workers', () => {
  it('ship every line once, and only the added lines of overwritten objects', async () => {
    const { place, receiver, environment, contents, lines } = await scene();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    const added = [...contents].map(([key, before], index) => {
      const more = auditLines(2, 1000 * index + 500);
      return { key, more, after: index % 2 === 0 ? [...before, ...more] : [...more, ...before.toReversed()] };
    });
    for (const { key, after } of added) await place.deliver(key, after);
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, [...lines, ...added.flatMap(({ more }) => more)]);
    expect(receiver.accepted).toHaveLength(lines.length + 2 * objectCount);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('have no more requests in flight than one thread may have', async () => {
    const { receiver, environment, lines } = await scene();
    receiver.answerWhen(() => true, answers.hang());
    const agent = startAgent(['run'], environment);
    await receiver.requestCount(smallBatches.inFlight);
    await agent.until('no more requests are sent', () => isQuiet(receiver));
    expect(receiver.requests).toHaveLength(smallBatches.inFlight);
    await agent.kill();
    receiver.acceptAgain();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expectRepeatsAreEqual(receiver);
  });

  it('log an outage once, and its end once', async () => {
    const { receiver, environment, lines } = await scene({ DATABRICKS_AUDIT_MAX_IN_FLIGHT: '6' });
    receiver.answerWhen(() => true, answers.status(503));
    const agent = startAgent(['run'], environment);
    await receiver.requestCount(12);
    receiver.acceptAgain();
    await agent.until('all lines arrived', () => receiver.accepted.length >= lines.length);
    expect((await agent.stop()).code).toBe(0);
    const logged = agent.log.map(({ msg }) => msg).filter((message) => message.startsWith('Collector'));
    expect(logged).toEqual([
      'Collector does not accept records; shipping pauses, nothing is lost',
      'Collector accepts records again',
    ]);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('write rejected records to one dead-letter file, each once', async () => {
    const { receiver, environment, lines, stateDirectory } = await scene();
    const refused = lines.filter((_, index) => index % 4 === 0);
    receiver.answerWhen(
      ({ records }) => records.some(({ body = '' }) => refused.includes(body)),
      answers.status(400, 'no manners'),
    );
    const { code, stderr } = await runAgent(['ship'], environment);
    expect(code).toBe(1);
    expect(stderr).toContain(`${lines.length - refused.length} accepted, ${refused.length} dead-lettered`);
    const letters = readDeadLetters(join(stateDirectory, 'dead-letters')).map(bodyOf);
    expect(letters.toSorted()).toEqual(refused.toSorted());
    expectNothingLost(
      receiver,
      lines.filter((line) => !refused.includes(line)),
    );
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('have the grace period for requests in flight when the agent is stopped, and repeat nothing', async () => {
    const { receiver, environment, lines } = await scene();
    const answer = Promise.withResolvers<void>();
    receiver.answerWhen(({ index }) => index >= 2, answers.hold(answer.promise, answers.accept()));
    const agent = startAgent(['run'], environment);
    await receiver.requestCount(4);
    agent.signal('SIGTERM');
    await agent.logged('Stopping; waiting a few seconds for requests in flight');
    answer.resolve();
    const { code, log } = await agent.exit;
    expect(code).toBe(0);
    expect(log.at(-1)).toMatchObject({ msg: 'Stopped; the state has been saved' });
    expect(receiver.accepted.length).toBeLessThan(lines.length);
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('end within the grace period if the collector does not respond, and at once at a second signal', async () => {
    const { receiver, environment, lines } = await scene();
    receiver.answerWhen(() => true, answers.hang());
    const patient = startAgent(['run'], environment);
    await receiver.requestCount(2);
    expect(await patient.stop()).toMatchObject({ code: 0 });
    const impatient = startAgent(['run'], environment);
    await receiver.requestCount(4);
    impatient.signal('SIGTERM');
    await impatient.logged('Stopping; waiting a few seconds for requests in flight');
    expect(await impatient.stop()).toMatchObject({ code: 1 });
    receiver.acceptAgain();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expectRepeatsAreEqual(receiver);
  });

  it('yield a last line without a newline once the file has not changed for two polls', async () => {
    const place = directoryPlace();
    const { receiver, environment } = await deliveryScene(place, { DATABRICKS_AUDIT_WORKERS: '2' });
    const path = join(place.source, deliveryKey());
    const [first = '', last = ''] = auditLines(2);
    mkdirSync(dirname(path), { recursive: true });
    appendFileSync(path, `${first}\n${last}`);
    const agent = startAgent(['run'], environment);
    await agent.until('both lines arrived', () => receiver.accepted.length > 1);
    // In separate requests: the last line did not count as complete when the first was read.
    expect(receiver.requests.map((request) => bodiesOf([request]))).toEqual([[first], [last]]);
  });

  it.each(['object opened', 'announcement durable', 'request answered', 'batch settled'])(
    'end the agent with the error if one of them fails at "%s", and nothing is lost',
    async (step) => {
      const { receiver, environment, lines } = await scene();
      const faulty = { ...environment, FAIL_AT_STEP: step };
      const { code, stderr } = await startAgent(['run'], faulty, { preload: failAtStep }).exit;
      expect(code).toBe(1);
      expect(stderr).toMatch(/a fault of the program.*TypeError/);
      expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
      expectNothingLost(receiver, lines);
      expectRepeatsAreEqual(receiver);
    },
  );

  it('end the agent with ERR_STATE_DAMAGED if a commit finds damage, and the next one creates a new state', async () => {
    const { receiver, environment, lines } = await scene();
    const configuration = loadConfiguration({ ...environment, DATABRICKS_AUDIT_SILENCE_AFTER: '0' });
    let commitCount = 0;
    const dependencies = {
      stdout: new PassThrough(),
      openDatabase: (path: string) => new DamagedDatabase(path, () => ++commitCount > 5),
    };
    const damaged = await createAgent(configuration, dependencies, 'oneShot');
    await expect(damaged.shipOnce(new AbortController().signal)).rejects.toMatchObject({ code: 'ERR_STATE_DAMAGED' });
    await damaged.close();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expectRepeatsAreEqual(receiver);
  });
});

/** Makes SQLite report damage at a commit. */
class DamagedDatabase extends DatabaseSync {
  readonly #isDamaged: () => boolean;

  constructor(path: string, isDamaged: () => boolean) {
    super(path);
    this.#isDamaged = isDamaged;
  }

  override exec(sql: string): void {
    if (sql === 'COMMIT' && this.#isDamaged()) {
      throw Object.assign(new Error('database disk image is malformed'), { code: 'ERR_SQLITE_ERROR', errcode: 11 });
    }
    super.exec(sql);
  }
}
