import { closeSync, cpSync, existsSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { DeliveryState, Settlement } from '../../src/contracts/delivery-state.ts';
import {
  openDeliveryReader,
  openDeliveryState,
  readDeliverySummary,
  readNewestPartitions,
} from '../../src/delivery/index.ts';
import { prepareStatements } from '../../src/delivery/statements.ts';
import type { ObjectId } from '../../src/model/object.ts';
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
  acceptedCount: 1,
  deadLetteredCount: 0,
};

function open(directory: string, logged: object[] = []): DeliveryState {
  const logger = { ...silentLogger, error: (fields: object) => logged.push(fields) };
  return openDeliveryState({ directory, clock: systemClock, logger });
}

/** The files as another process would find them if this one were gone now. */
function asAfterDeath(directory: string): string {
  const copy = join(temporaryDirectory(), 'state');
  cpSync(directory, copy, { recursive: true });
  return copy;
}

/** Writes over the middle of every page but the first, where the schema is. */
function damage(path: string): void {
  const file = openSync(path, 'r+');
  for (let page = 1; page < 8; page++) writeSync(file, Buffer.alloc(4000, 0x5a), 0, 4000, page * 4096);
  closeSync(file);
}

/** Behind the back of whoever has it open. */
function change(directory: string, sql: string): void {
  const database = new DatabaseSync(join(directory, 'delivery.db'));
  database.exec(sql);
  database.close();
}

describe('SqliteState', () => {
  it('knows nothing of an object that was never seen', async () => {
    const state = open(temporaryDirectory());
    expect(state.find(origin.id)).toBeUndefined();
    expect([...state.settledLineHashes(origin.id)]).toEqual([]);
    await state.close();
  });

  it('keeps after a death what was flushed, and nothing else', async () => {
    const directory = temporaryDirectory();
    const state = open(directory);
    state.announce(origin, { observedAtMs: 5, occurrenceHashes: Int32Array.of(3, 4) });
    state.settle(origin, settlement);
    await state.flush(never);
    state.announce(origin, { observedAtMs: 6, occurrenceHashes: Int32Array.of(5, 6) });
    const found = open(asAfterDeath(directory));
    expect(found.find(origin.id)).toEqual({ settledVersion: undefined, settled: position, hasLineHashes: true });
    expect([...found.settledLineHashes(origin.id)]).toEqual([Int32Array.of(1, -1)]);
    expect([...found.announcements(origin.id)]).toEqual([{ observedAtMs: 5, occurrenceHashes: Int32Array.of(3, 4) }]);
    await found.close();
    await state.close();
  });

  it('forgets an announcement with the settlement of its batch', async () => {
    const state = open(temporaryDirectory());
    const announcementId = state.announce(origin, { observedAtMs: 5, occurrenceHashes: Int32Array.of(3, 4) });
    state.settle(origin, { ...settlement, announcementId });
    await state.flush(never);
    expect([...state.announcements(origin.id)]).toEqual([]);
    await state.close();
  });

  it('keeps the announcements that a finished version leaves over', async () => {
    const state = open(temporaryDirectory());
    const left = { observedAtMs: 5, occurrenceHashes: Int32Array.of(3, 4) };
    state.announce(origin, { observedAtMs: 5, occurrenceHashes: Int32Array.of(1, 2, 3, 4) });
    state.finish(origin, version, position, [left]);
    await state.flush(never);
    expect([...state.announcements(origin.id)]).toEqual([left]);
    expect(state.find(origin.id)?.settledVersion).toEqual(version);
    await state.close();
  });

  it('is as if it had never seen a forgotten object', async () => {
    const state = open(temporaryDirectory());
    state.settle(origin, settlement);
    state.forget(origin.id);
    await state.flush(never);
    expect(state.find(origin.id)).toBeUndefined();
    state.announce(origin, { observedAtMs: 1, occurrenceHashes: Int32Array.of(1, 2) });
    await state.flush(never);
    expect(state.find(origin.id)?.settled).toEqual({ ...startOfObject, digest: new Uint8Array(startOfObject.digest) });
    await state.close();
  });

  it('drops the line hashes of finished objects before a date, and only those', async () => {
    const state = open(temporaryDirectory());
    state.settle(origin, settlement);
    await state.flush(never);
    state.dropLineHashes('2026-02-01');
    await state.flush(never);
    expect(state.find(origin.id)?.hasLineHashes).toBe(true); // Not finished yet.
    state.finish(origin, version, position, []);
    state.dropLineHashes('2026-01-31');
    await state.flush(never);
    expect(state.find(origin.id)?.hasLineHashes).toBe(true); // Of that very date.
    state.dropLineHashes('2026-02-01');
    await state.flush(never);
    expect(state.find(origin.id)?.hasLineHashes).toBe(false);
    expect([...state.settledLineHashes(origin.id)]).toEqual([]);
    expect(state.find(origin.id)?.settled).toEqual(position);
    await state.close();
  });

  it('drops the line hashes of a finished object without a date by its modification time', async () => {
    const state = open(temporaryDirectory());
    const dateless = { ...origin, date: undefined };
    state.settle(dateless, settlement);
    state.finish(dateless, { ...version, modifiedAtMs: Date.parse('2026-01-31T23:59:59Z') }, position, []);
    state.dropLineHashes('2026-01-31');
    await state.flush(never);
    expect(state.find(origin.id)?.hasLineHashes).toBe(true);
    state.dropLineHashes('2026-02-01');
    await state.flush(never);
    expect(state.find(origin.id)?.hasLineHashes).toBe(false);
    await state.close();
  });

  it('looks at no object but those that a change is about, however many there are', async () => {
    const directory = temporaryDirectory();
    await open(directory).close();
    const database = new DatabaseSync(join(directory, 'delivery.db'));
    for (const { sourceSQL } of Object.values(prepareStatements(database))) {
      const parameters = sourceSQL
        .split('?')
        .slice(1)
        .map(() => 0);
      const steps = database.prepare(`EXPLAIN QUERY PLAN ${sourceSQL}`).all(...parameters);
      expect(
        steps.filter(({ detail }) => String(detail).startsWith('SCAN')),
        sourceSQL,
      ).toEqual([]);
    }
    database.close();
  });

  it('lets one process use a state directory, and the next as soon as the first is gone', async () => {
    const directory = temporaryDirectory();
    const state = open(directory);
    expect(() => open(directory)).toThrow(expect.objectContaining({ code: 'ERR_STATE_LOCKED' }));
    await state.close();
    await open(directory).close();
  });

  it('keeps its secret and the day on which it began', async () => {
    const directory = temporaryDirectory();
    const first = open(directory);
    await first.close();
    const second = open(directory);
    expect(second.hashSecret).toEqual(first.hashSecret);
    expect(second.createdOn).toBe(new Date().toISOString().slice(0, 10));
    await second.close();
  });

  it('moves a file that is no database aside, says so, and begins again', async () => {
    const directory = temporaryDirectory();
    await open(directory).close();
    const file = openSync(join(directory, 'delivery.db'), 'r+');
    writeSync(file, Buffer.alloc(100, 0x5a), 0, 100, 0);
    closeSync(file);
    const logged: object[] = [];
    const state = open(directory, logged);
    expect(logged).toEqual([{ err: expect.objectContaining({ code: 'ERR_STATE_DAMAGED' }) }]);
    expect(readdirSync(directory).some((name) => name.startsWith('delivery.db.damaged-'))).toBe(true);
    expect(state.find(origin.id)).toBeUndefined();
    await state.close();
  });

  it('says what to do when there is no room for a new one after a damaged one was moved aside', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'delivery.db');
    writeFileSync(path, 'this is no database\n'.repeat(500));
    const openWithoutRoom = () => {
      if (!existsSync(path)) throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
      return new DatabaseSync(path);
    };
    const options = { directory, clock: systemClock, logger: silentLogger };
    expect(() => openDeliveryState({ ...options, openDatabase: openWithoutRoom })).toThrow(
      expect.objectContaining({ code: 'ERR_STATE_WRITE', message: expect.stringContaining('disk is full') }),
    );
    await openDeliveryState(options).close();
  });

  it('notices damage while it runs, and moves the database aside when it is closed', async () => {
    const directory = temporaryDirectory();
    const before = open(directory);
    for (let i = 0; i < 200; i++)
      before.settle(memoryObject(`${i}`).origin, { ...settlement, lineHashes: new Int32Array(1000) });
    await before.flush(never);
    await before.close();
    const state = open(directory);
    damage(join(directory, 'delivery.db'));
    const read = () => [...state.settledLineHashes(origin.id), state.find(origin.id)];
    expect(read).toThrow(expect.objectContaining({ code: 'ERR_STATE_DAMAGED' }));
    await expect(state.flush(never)).rejects.toMatchObject({ code: 'ERR_STATE_DAMAGED' });
    await state.close();
    expect(existsSync(join(directory, 'delivery.db'))).toBe(false);
    await open(directory).close();
  });

  it('explains a state directory that cannot be made', () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    for (const place of [join(file, 'state'), '/proc/no-such-place/state']) {
      expect(() => open(place)).toThrow(
        expect.objectContaining({ code: 'ERR_STATE_WRITE', hint: expect.stringContaining('DATABRICKS_AUDIT_STATE') }),
      );
    }
  });

  it('rejects a flush that is aborted while the state cannot be written', async () => {
    const directory = temporaryDirectory();
    const state = open(directory);
    const other = new DatabaseSync(join(directory, 'delivery.db'));
    other.exec('BEGIN IMMEDIATE'); // Another writer stands for a disk that refuses.
    state.settle(origin, settlement);
    const stop = new AbortController();
    const flushed = state.flush(stop.signal);
    stop.abort(new Error('stopped'));
    await expect(flushed).rejects.toThrow('stopped');
    other.exec('ROLLBACK');
    other.close();
    await state.flush(never);
    expect(state.find(origin.id)?.settled).toEqual(position);
    await state.close();
  });

  it.each([
    { what: 'hash of a line', rots: "UPDATE line_hashes SET hashes = x'0000000000000000'" },
    { what: 'time of an announcement', rots: 'UPDATE announcement SET observed_at_ms = 7' },
    { what: 'day on which it began', rots: "UPDATE meta SET value = x'31' WHERE name = 'created_on'" },
  ])('whose $what rots is believed neither by the agent nor by who only looks', async ({ rots }) => {
    const directory = temporaryDirectory();
    const state = open(directory);
    state.announce(origin, { observedAtMs: 6, occurrenceHashes: Int32Array.of(5, 6) });
    state.settle(origin, settlement);
    await state.close();
    const look = (reader: Pick<DeliveryState, 'settledLineHashes' | 'announcements'> | undefined) => [
      ...(reader?.settledLineHashes(origin.id) ?? []),
      ...(reader?.announcements(origin.id) ?? []),
    ];
    expect(look(openDeliveryReader(directory))).toHaveLength(2);
    change(directory, rots);
    const damaged = expect.objectContaining({ code: 'ERR_STATE_DAMAGED' });
    expect(() => look(openDeliveryReader(directory))).toThrow(damaged);
    const logged: object[] = [];
    const found = open(directory, logged);
    if (logged.length === 0) expect(() => look(found)).toThrow(damaged);
    await found.close();
    expect(logged).toEqual([expect.objectContaining({ err: damaged })]);
  });

  it('whose last event of a workspace rots is damaged, and no later event hides that', async () => {
    const directory = temporaryDirectory();
    const state = open(directory);
    state.settle(origin, { ...settlement, newestEventMs: 1000 });
    await state.flush(never);
    expect(state.workspaces()).toEqual([{ workspaceId: '1', lastEventMs: 1000, silence: undefined }]);
    change(directory, 'UPDATE workspace SET last_event_ms = 9000');
    state.settle(origin, { ...settlement, newestEventMs: 10_000 });
    const damaged = expect.objectContaining({ code: 'ERR_STATE_DAMAGED' });
    await expect(state.flush(never)).rejects.toThrow(damaged);
    expect(() => state.workspaces()).toThrow(damaged);
    await state.close();
  });

  it('is summarised per workspace and date while an agent uses it', async () => {
    const directory = temporaryDirectory();
    const state = open(directory);
    expect(readDeliverySummary(temporaryDirectory())).toBeUndefined();
    state.settle(origin, { ...settlement, acceptedCount: 5, deadLetteredCount: 2, newestEventMs: 1000 });
    for (const [workspaceId, date, modifiedAtMs] of [
      ['1', '2026-02-01', 3000],
      ['1', '2026-02-01', 2000],
      ['1', '2026-02-02', 1000],
      [undefined, '2026-02-01', 9000],
    ] as const) {
      const other = { ...origin, id: `s3://audit/${modifiedAtMs}` as ObjectId, workspaceId, date };
      state.settle(other, settlement);
      state.finish(other, { etag: 'e', sizeBytes: 1, modifiedAtMs }, startOfObject, []);
    }
    state.announce(origin, { observedAtMs: 6, occurrenceHashes: Int32Array.of(5, 6) });
    await state.flush(never);
    expect(readDeliverySummary(directory)).toMatchObject({
      announcedBatchCount: 1,
      partitions: expect.arrayContaining([
        {
          workspaceId: '1',
          date: '2026-01-31',
          objectCount: 1,
          openObjectCount: 1,
          acceptedCount: 5,
          deadLetteredCount: 2,
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

  it('sums up the newest dates alone, whether their line hashes are there or not', async () => {
    const directory = temporaryDirectory();
    const state = open(directory);
    const datesOf = () => readNewestPartitions(directory, 14).map(({ date }) => date);
    expect(readNewestPartitions(temporaryDirectory(), 14)).toEqual([]);
    for (const date of [undefined, '2025-12-31', '2026-01-17', '2026-01-18', '2026-01-31']) {
      const dated = { ...origin, id: `s3://audit/${date}` as ObjectId, date };
      state.settle(dated, settlement);
      state.finish(dated, version, position, []);
    }
    await state.flush(never);
    expect(datesOf()).toEqual(['2026-01-18', '2026-01-31']);
    state.dropLineHashes('2026-02-01');
    await state.flush(never);
    expect(datesOf()).toEqual(['2026-01-18', '2026-01-31']);
    expect(readNewestPartitions(directory, 1)).toEqual([
      {
        workspaceId: '1',
        date: '2026-01-31',
        objectCount: 1,
        openObjectCount: 0,
        acceptedCount: 1,
        deadLetteredCount: 0,
        newestObjectMs: 1_760_000_000_000,
      },
    ]);
    await state.close();
  });
});
