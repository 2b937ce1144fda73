/**
 * A state that passes from one agent to another: to a newer version, to an older one, to another machine, or is lost.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { type StepReached, stepChannelName } from '../../src/contracts/step.ts';
import { openDeliveryReader, openDeliveryState, readDeliverySummary } from '../../src/delivery/index.ts';
import { writeMeta } from '../../src/delivery/meta.ts';
import { schemaVersion } from '../../src/delivery/schema.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import {
  changedCount,
  checkpointed,
  inFlightLines,
  killed,
  liveOn,
  problemsOf,
  repeatedCount,
} from '../support/lives.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const open = (directory: string) => openDeliveryState({ directory, clock: systemClock, logger: silentLogger });

describe('a state', () => {
  const versions = readdirSync(new URL('states/', import.meta.url)).map((name) => Number(/\d+/.exec(name)));

  it('of every earlier version is available to these tests', () => {
    expect(versions.sort()).toEqual(Array.from({ length: schemaVersion - 1 }, (_, index) => index + 1));
  });

  it.each(versions)('of version %i is migrated, and the agent continues where the old one stopped', async (version) => {
    const { sent } = await killed();
    const directory = stateOfVersion(version);
    await liveOn(directory, sent);
    expect(problemsOf(sent)).toEqual([]);
    expect(repeatedCount(sent)).toBe(inFlightLines);
    expect(changedCount(sent)).toBe(0);
    expect(userVersion(directory)).toBe(schemaVersion);
    expect(readdirSync(directory).filter((name) => name.includes('damaged'))).toEqual([]);
  });

  it.each(versions)('of version %i is unchanged if the process dies during the migration', async (version) => {
    const directory = stateOfVersion(version);
    const left = temporaryDirectory();
    const die = (message: unknown) => {
      if ((message as StepReached).step === 'schema written') cpSync(directory, left, { recursive: true });
    };
    subscribe(stepChannelName, die);
    await (await open(directory)).close();
    unsubscribe(stepChannelName, die);
    expect(userVersion(left)).toBe(version);

    const { sent } = await killed();
    await liveOn(left, sent);
    expect(problemsOf(sent)).toEqual([]);
    expect(repeatedCount(sent)).toBe(inFlightLines);
    expect(changedCount(sent)).toBe(0);
  });

  it.each(versions)('of version %i is rejected by commands that only read, and is not changed', async (version) => {
    const directory = stateOfVersion(version);
    const older = expect.objectContaining({
      code: 'ERR_STATE_OLDER',
      message: expect.stringContaining(`${version}`),
    });
    await expect(openDeliveryReader(directory)).rejects.toThrow(older);
    await expect(readDeliverySummary(directory)).rejects.toThrow(older);
    expect(userVersion(directory)).toBe(version);
  });

  it('that no agent has written to yet does not exist for commands that only read', async () => {
    const directory = temporaryDirectory();
    new DatabaseSync(join(directory, 'delivery.db')).exec('PRAGMA journal_mode = WAL');
    expect(await openDeliveryReader(directory)).toBeUndefined();
    expect(await readDeliverySummary(directory)).toBeUndefined();
  });

  it('of a newer agent is rejected, and is not changed', async () => {
    const { directory } = await checkpointed();
    const database = new DatabaseSync(join(directory, 'delivery.db'));
    database.exec('CREATE TABLE of_the_future (name TEXT) STRICT; PRAGMA user_version = 999');
    writeMeta(database, 'schema_version', Buffer.from('999'));
    database.close();
    const before = readFileSync(join(directory, 'delivery.db'));
    await expect(open(directory)).rejects.toMatchObject({
      code: 'ERR_STATE_NEWER',
      message: expect.stringContaining('999'),
    });
    expect(readFileSync(join(directory, 'delivery.db'))).toEqual(before);
    expect(readdirSync(directory).filter((name) => name.includes('damaged'))).toEqual([]);
  });

  it('that was copied to another machine while no agent ran repeats what was in flight and nothing else', async () => {
    const { directory, sent } = await killed();
    const moved = join(temporaryDirectory(), 'moved');
    cpSync(directory, moved, { recursive: true });
    await liveOn(moved, sent);
    expect(problemsOf(sent)).toEqual([]);
    expect(repeatedCount(sent)).toBe(inFlightLines);
    expect(changedCount(sent)).toBe(0);
  });

  it('that was copied with VACUUM INTO while an agent was running is complete', async () => {
    const { directory, sent } = await killed();
    const moved = temporaryDirectory();
    const database = new DatabaseSync(join(directory, 'delivery.db'));
    database.prepare('VACUUM INTO ?').run(join(moved, 'delivery.db'));
    database.close();
    await liveOn(moved, sent);
    expect(problemsOf(sent)).toEqual([]);
    expect(repeatedCount(sent)).toBe(inFlightLines);
    expect(changedCount(sent)).toBe(0);
  });

  it('that was copied without its write-ahead log is older: what was settled since is repeated, and nothing is lost', async () => {
    const { directory, sent } = await killed();
    for (const name of readdirSync(directory)) if (/-(wal|shm)$/.test(name)) rmSync(join(directory, name));
    await liveOn(directory, sent);
    expect(problemsOf(sent)).toEqual([]);
    expect(repeatedCount(sent)).toBe(2 * inFlightLines);
  });

  it('that is lost is replaced by a new one: everything is repeated with the same uids, and nothing is lost', async () => {
    const { sent } = await killed();
    const { size } = sent;
    await liveOn(join(temporaryDirectory(), 'new'), sent);
    expect(problemsOf(sent)).toEqual([]);
    // All but one: a line that had no newline then is a different one now.
    expect(repeatedCount(sent)).toBe(size - 1);
  });
});

function stateOfVersion(version: number): string {
  const directory = temporaryDirectory();
  const sql = readFileSync(new URL(`states/version-${version}.sql`, import.meta.url), 'utf8');
  const database = new DatabaseSync(join(directory, 'delivery.db'));
  database.exec(sql);
  database.close();
  return directory;
}

function userVersion(directory: string): unknown {
  const database = new DatabaseSync(join(directory, 'delivery.db'));
  try {
    return database.prepare('PRAGMA user_version').get()?.user_version;
  } finally {
    database.close();
  }
}
