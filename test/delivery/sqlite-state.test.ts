import { closeSync, existsSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { ObjectRecord } from '../../src/contracts/delivery-reader.ts';
import type { Announcement, Claim, DeliveryState, Settlement } from '../../src/contracts/delivery-state.ts';
import {
  type OpenState,
  openDeliveryReader,
  openDeliveryState,
  readDeliverySummary,
  readNewestPartitions,
} from '../../src/delivery/index.ts';
import { prepareStatements } from '../../src/delivery/statements.ts';
import type { ObjectId, ObjectOrigin } from '../../src/model/object.ts';
import { startOfObject } from '../../src/pipeline/prefix-digest.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { memoryObject } from '../support/memory-object.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const { origin, version } = memoryObject('{}\n');
const never = new AbortController().signal;
const position = { offsetBytes: 3, lineCount: 1, digest: new Uint8Array(32).fill(7) };
const settlement: Settlement = {
  announcementId: undefined,
  position,
  lineHashes: Int32Array.of(1, -1),
  observedRuns: [{ observedAtMs: 5, lineCount: 1 }],
  acceptedCount: 1,
  deadLetteredCount: 0,
};

function open(directory: string, logged: object[] = []): Promise<OpenState> {
  const logger = { ...silentLogger, error: (fields: object) => logged.push(fields) };
  return openDeliveryState({ directory, clock: systemClock, logger });
}

/** Uses a claim of the object, in a version that is not settled. */
async function claiming<Result>(
  state: DeliveryState,
  use: (claim: Claim) => Result | Promise<Result>,
  of: ObjectOrigin = origin,
): Promise<Result> {
  const object = { ...memoryObject('{}\n'), origin: of, version: { ...version, etag: 'not settled' } };
  const claim = await state.claim(object, never);
  if (typeof claim === 'string') throw new Error(claim);
  try {
    return await use(claim);
  } finally {
    await claim.release();
  }
}

/** Reads everything about the object, so that damage anywhere in it is found. */
async function readAll(directory: string): Promise<ObjectRecord | undefined> {
  const reader = await openDeliveryReader(directory);
  try {
    return await reader?.read(origin.id);
  } finally {
    await reader?.close();
  }
}

async function hashesOf(claim: Claim): Promise<number> {
  let count = 0;
  for await (const hashes of claim.settledLineHashes()) count += hashes.length / 2;
  return count;
}

function announcement(observedAtMs: number): Announcement {
  return { observedAtMs, lineHashes: Int32Array.of(5, 6), occurrences: Int32Array.of(1) };
}

/** Overwrites the middle of every page except the first, which has the schema. */
function damage(path: string): void {
  const file = openSync(path, 'r+');
  for (let page = 1; page < 8; page++) writeSync(file, Buffer.alloc(4000, 0x5a), 0, 4000, page * 4096);
  closeSync(file);
}

/** Without the knowledge of the process that has it open. */
function change(directory: string, sql: string): void {
  const database = new DatabaseSync(join(directory, 'delivery.db'));
  database.exec(sql);
  database.close();
}

describe('SqliteState', () => {
  it('drops the line hashes of finished objects before a date, and only those', async () => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    const dropBefore = async (date: string) => {
      state.dropLineHashes(date);
      await claiming(state, (claim) => claim.flush(never), { ...origin, id: 's3://audit/other' as ObjectId });
      return await readAll(directory);
    };
    await claiming(state, async (claim) => {
      claim.settle(settlement);
      await claim.flush(never);
    });
    expect((await dropBefore('2026-02-01'))?.state?.hasLineHashes).toBe(true); // Not finished yet.
    await claiming(state, async (claim) => {
      claim.finish(version, position, []);
      await claim.flush(never);
    });
    expect((await dropBefore('2026-01-31'))?.state?.hasLineHashes).toBe(true); // The object has exactly this date.
    expect(await dropBefore('2026-02-01')).toMatchObject({
      state: { hasLineHashes: false, settled: position },
      settledLines: [],
    });
    await state.close();
  });

  it('keeps the observed time of each settled line, in the order of settlement', async () => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    const lineHashes = Int32Array.of(1, -1, 2, -2, 3, -3);
    const observedRuns = [
      { observedAtMs: 7, lineCount: 2 },
      { observedAtMs: 6, lineCount: 1 },
    ];
    await claiming(state, async (claim) => {
      claim.settle({ ...settlement, lineHashes, observedRuns });
      claim.settle(settlement);
      await claim.flush(never);
      expect(await hashesOf(claim)).toBe(4);
    });
    expect((await readAll(directory))?.settledLines).toEqual([
      { observedAtMs: 7, lineHashes: Int32Array.of(1, -1, 2, -2) },
      { observedAtMs: 6, lineHashes: Int32Array.of(3, -3) },
      { observedAtMs: 5, lineHashes: Int32Array.of(1, -1) },
    ]);
    await state.close();
  });

  it('drops the line hashes of a finished object without a date by its modification time', async () => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    const dateless = { ...origin, date: undefined };
    const modifiedAtMs = Date.parse('2026-01-31T23:59:59Z');
    await claiming(
      state,
      async (claim) => {
        claim.settle(settlement);
        claim.finish({ ...version, modifiedAtMs }, position, []);
        await claim.flush(never);
      },
      dateless,
    );
    for (const [date, hasLineHashes] of [
      ['2026-01-31', true],
      ['2026-02-01', false],
    ] as const) {
      state.dropLineHashes(date);
      await claiming(state, (claim) => claim.flush(never), { ...origin, id: 's3://audit/other' as ObjectId });
      expect((await readAll(directory))?.state?.hasLineHashes).toBe(hasLineHashes);
    }
    await state.close();
  });

  it('stores the occurrence of each line that is a repetition', async () => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    const announcements = [
      { observedAtMs: 5, lineHashes: Int32Array.of(1, 2, 3, 4), occurrences: Int32Array.of(1, 1) },
      { observedAtMs: 6, lineHashes: Int32Array.of(1, 2, 3, 4), occurrences: Int32Array.of(2, 70_000) },
    ];
    await claiming(state, async (claim) => {
      for (const each of announcements) claim.announce(each);
      await claim.flush(never);
    });
    expect((await readAll(directory))?.announcements).toEqual(announcements);
    await state.close();
  });

  it('reads no objects other than those that a change concerns, however many there are', async () => {
    const directory = temporaryDirectory();
    await (await open(directory)).close();
    const database = new DatabaseSync(join(directory, 'delivery.db'));
    for (const { sourceSQL } of Object.values(prepareStatements(database))) {
      const parameters = sourceSQL
        .split('?')
        .slice(1)
        .map(() => 0);
      const steps = database.prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`).all(...parameters);
      expect(
        steps.filter(({ detail }) => /^SCAN (?!json_each)/.test(String(detail))),
        sourceSQL,
      ).toEqual([]);
    }
    database.close();
  });

  it('lets one process use a state directory, and the next one as soon as the first has exited', async () => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    await expect(open(directory)).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' });
    await state.close();
    await (await open(directory)).close();
  });

  it('keeps its secret and its creation date', async () => {
    const directory = temporaryDirectory();
    const first = await open(directory);
    await first.close();
    const second = await open(directory);
    expect(second.hashSecret).toEqual(first.hashSecret);
    expect(second.createdOn).toBe(new Date().toISOString().slice(0, 10));
    await second.close();
  });

  it('moves a file that is not a database aside, logs that, and creates a new state', async () => {
    const directory = temporaryDirectory();
    await (await open(directory)).close();
    const file = openSync(join(directory, 'delivery.db'), 'r+');
    writeSync(file, Buffer.alloc(100, 0x5a), 0, 100, 0);
    closeSync(file);
    const logged: object[] = [];
    const state = await open(directory, logged);
    expect(logged).toEqual([{ err: expect.objectContaining({ code: 'ERR_STATE_DAMAGED' }) }]);
    expect(readdirSync(directory).some((name) => name.startsWith('delivery.db.damaged-'))).toBe(true);
    expect((await readAll(directory))?.state).toBeUndefined();
    await state.close();
  });

  it('says what to do if there is no space for a new database after a damaged one was moved aside', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'delivery.db');
    writeFileSync(path, 'this is no database\n'.repeat(500));
    const openWithoutRoom = () => {
      if (!existsSync(path)) throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
      return new DatabaseSync(path);
    };
    const options = { directory, clock: systemClock, logger: silentLogger };
    await expect(openDeliveryState({ ...options, openDatabase: openWithoutRoom })).rejects.toMatchObject({
      code: 'ERR_STATE_WRITE',
      message: expect.stringContaining('disk is full'),
    });
    await (await openDeliveryState(options)).close();
  });

  it('detects damage at run time, and moves the database aside when it is closed', async () => {
    const directory = temporaryDirectory();
    const before = await open(directory);
    await claiming(before, async (claim) => {
      const lines = { lineHashes: new Int32Array(1000), observedRuns: [{ observedAtMs: 5, lineCount: 500 }] };
      for (let i = 0; i < 200; i++) claim.settle({ ...settlement, ...lines });
      await claim.flush(never);
    });
    await before.close();
    const state = await open(directory);
    damage(join(directory, 'delivery.db'));
    const damaged = { code: 'ERR_STATE_DAMAGED' };
    await expect(claiming(state, hashesOf)).rejects.toMatchObject(damaged);
    await expect(claiming(state, (claim) => claim.flush(never))).rejects.toMatchObject(damaged);
    await expect(state.unsettled([memoryObject('')])).rejects.toMatchObject(damaged);
    await state.close();
    expect(existsSync(join(directory, 'delivery.db'))).toBe(false);
    await (await open(directory)).close();
  });

  it('explains that a state directory cannot be created', async () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    for (const place of [join(file, 'state'), '/proc/no-such-place/state']) {
      await expect(open(place)).rejects.toMatchObject({
        code: 'ERR_STATE_WRITE',
        hint: expect.stringContaining('DATABRICKS_AUDIT_STATE'),
      });
    }
  });

  it('rejects a flush that is aborted while the state cannot be written', async () => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    const other = new DatabaseSync(join(directory, 'delivery.db'));
    other.exec('BEGIN IMMEDIATE'); // Another writer simulates a disk that cannot be written.
    await claiming(state, async (claim) => {
      claim.settle(settlement);
      const stop = new AbortController();
      const flushed = claim.flush(stop.signal);
      stop.abort(new Error('stopped'));
      await expect(flushed).rejects.toThrow('stopped');
      other.exec('ROLLBACK');
      other.close();
      await claim.flush(never);
    });
    expect((await readAll(directory))?.state?.settled).toEqual(position);
    await state.close();
  });

  it.each([
    { what: 'line hash', damage: "UPDATE line_hashes SET hashes = x'0000000000000000'" },
    { what: 'observed time of settled lines', damage: 'UPDATE line_hashes SET observed_at_ms = 7' },
    { what: 'time of an announcement', damage: 'UPDATE announcement SET observed_at_ms = 7' },
    { what: 'occurrence of an announced line', damage: "UPDATE announcement SET occurrences = x'02000000'" },
    { what: 'creation date', damage: "UPDATE meta SET value = x'31' WHERE name = 'created_on'" },
  ])('with a damaged $what is trusted neither by the agent nor by a reader', async ({ damage }) => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    await claiming(state, async (claim) => {
      claim.announce(announcement(6));
      claim.settle(settlement);
      await claim.flush(never);
    });
    await state.close();
    expect(await readAll(directory)).toMatchObject({ announcements: [announcement(6)], settledLines: [{}] });
    change(directory, damage);
    const damaged = expect.objectContaining({ code: 'ERR_STATE_DAMAGED' });
    await expect(readAll(directory)).rejects.toThrow(damaged);
    const logged: object[] = [];
    const found = await open(directory, logged);
    if (logged.length === 0) await expect(claiming(found, hashesOf)).rejects.toThrow(damaged);
    await found.close();
    expect(logged).toEqual([expect.objectContaining({ err: damaged })]);
  });

  it('with a damaged last event of a workspace is reported as damaged, and no later event hides that', async () => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    await claiming(state, async (claim) => {
      claim.settle({ ...settlement, newestEventMs: 1000 });
      await claim.flush(never);
    });
    expect(await state.workspaces()).toEqual([{ workspaceId: '1', lastEventMs: 1000, silence: undefined }]);
    change(directory, 'UPDATE workspace SET last_event_ms = 9000');
    const damaged = expect.objectContaining({ code: 'ERR_STATE_DAMAGED' });
    const settling = claiming(state, async (claim) => {
      claim.settle({ ...settlement, newestEventMs: 10_000 });
      await claim.flush(never);
    });
    await expect(settling).rejects.toThrow(damaged);
    await expect(state.workspaces()).rejects.toThrow(damaged);
    await state.close();
  });

  it('is summarised per workspace and date while an agent uses it', async () => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    expect(await readDeliverySummary(temporaryDirectory())).toBeUndefined();
    await claiming(state, (claim) => {
      claim.settle({ ...settlement, acceptedCount: 5, deadLetteredCount: 2, unparsedCount: 3, newestEventMs: 1000 });
    });
    for (const [workspaceId, date, modifiedAtMs] of [
      ['1', '2026-02-01', 3000],
      ['1', '2026-02-01', 2000],
      ['1', '2026-02-02', 1000],
      [undefined, '2026-02-01', 9000],
    ] as const) {
      const other = { ...origin, id: `s3://audit/${modifiedAtMs}` as ObjectId, workspaceId, date };
      await claiming(
        state,
        (claim) => {
          claim.settle(settlement);
          claim.finish({ etag: 'e', sizeBytes: 1, modifiedAtMs }, startOfObject, []);
        },
        other,
      );
    }
    await claiming(state, async (claim) => {
      claim.announce(announcement(6));
      await claim.flush(never);
    });
    expect(await readDeliverySummary(directory)).toMatchObject({
      announcedBatchCount: 1,
      announcedLineCount: 1,
      partitions: expect.arrayContaining([
        {
          workspaceId: '1',
          date: '2026-01-31',
          objectCount: 1,
          openObjectCount: 1,
          unreadableObjectCount: 0,
          acceptedCount: 5,
          deadLetteredCount: 2,
          unparsedCount: 3,
          newestObjectMs: undefined,
        },
      ]),
      workspaces: [
        { workspaceId: undefined, lastEventMs: undefined, newestObjectMs: 9000, silence: undefined },
        { workspaceId: '1', lastEventMs: 1000, newestObjectMs: 3000, silence: undefined },
      ],
    });
    await state.close();
  });

  it('summarises only the newest dates, with or without their line hashes', async () => {
    const directory = temporaryDirectory();
    const state = await open(directory);
    const datesOf = async () => (await readNewestPartitions(directory, 14)).map(({ date }) => date);
    expect(await readNewestPartitions(temporaryDirectory(), 14)).toEqual([]);
    for (const date of [undefined, '2025-12-31', '2026-01-17', '2026-01-18', '2026-01-31']) {
      const dated = { ...origin, id: `s3://audit/${date}` as ObjectId, date };
      await claiming(
        state,
        async (claim) => {
          claim.settle(settlement);
          claim.finish(version, position, []);
          await claim.flush(never);
        },
        dated,
      );
    }
    expect(await datesOf()).toEqual(['2026-01-18', '2026-01-31']);
    state.dropLineHashes('2026-02-01');
    await state.reopen({ ...memoryObject(''), origin: { ...origin, id: 's3://audit/unknown' as ObjectId } }, never);
    expect(await datesOf()).toEqual(['2026-01-18', '2026-01-31']);
    expect(await readNewestPartitions(directory, 1)).toEqual([
      {
        workspaceId: '1',
        date: '2026-01-31',
        objectCount: 1,
        openObjectCount: 0,
        unreadableObjectCount: 0,
        acceptedCount: 1,
        deadLetteredCount: 0,
        unparsedCount: 0,
        newestObjectMs: 1_760_000_000_000,
      },
    ]);
    await state.close();
  });
});
