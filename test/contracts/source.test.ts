/**
 * What every source promises (src/contracts/source.ts), tried on each of them.
 */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Source } from '../../src/contracts/source.ts';
import { createObjectOpener, createSources, type SourceLocation } from '../../src/sources/index.ts';
import { listAll, readText } from '../support/listing.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const signal = new AbortController().signal;

/** A place with a source that reads it. */
interface Place {
  readonly source: Source;
  put(path: string, content: string): Promise<unknown>;
  remove(path: string): Promise<unknown>;
}

let server: S3Server;
let bucketCount = 0;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.stop());

const places: Readonly<Record<string, () => Promise<Place>>> = {
  async directory() {
    const path = temporaryDirectory();
    return {
      source: createSource({ kind: 'directory', path, name: path }),
      async put(name, content) {
        const file = join(path, name);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(join(path, '.new'), content);
        await rename(join(path, '.new'), file);
      },
      remove: (name) => rm(join(path, name)),
    };
  },
  async s3() {
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
    const bucket = `contract-${++bucketCount}`;
    await server.createBucket(bucket);
    return {
      source: createSource({ kind: 's3', bucket, prefix: 'audit/', name: `s3://${bucket}/audit` }),
      put: (name, content) => server.put(bucket, `audit/${name}`, content),
      remove: (name) => server.delete(bucket, `audit/${name}`),
    };
  },
};

describe.each(Object.keys(places))('the %s source', (kind) => {
  const create = places[kind] as () => Promise<Place>;

  test('lists each workspace on its own, the legacy layout as one, each oldest date first', async () => {
    const { source, put } = await create();
    const paths = [
      'workspaceId=7/date=2026-09-02/auditlogs_1.json',
      'workspaceId=7/date=2026-08-30/auditlogs_2.json',
      'workspaceId=0/date=2026-09-01/auditlogs_1.json',
      'date=2018-01-15/part-0.json.gz',
      'date=2018-01-14/part-1.json.gz',
    ];
    for (const path of paths) await put(path, '{}\n');
    const { workspaces, faults } = await listAll(source);
    expect(faults).toEqual([]);
    expect(
      workspaces.map(({ workspaceId, objects }) => [
        workspaceId,
        objects.map(({ origin }) => `${origin.workspaceId} ${origin.date} ${origin.fileName}`),
      ]),
    ).toEqual([
      ['0', ['0 2026-09-01 auditlogs_1.json']],
      ['7', ['7 2026-08-30 auditlogs_2.json', '7 2026-09-02 auditlogs_1.json']],
      [undefined, ['undefined 2018-01-14 part-1.json.gz', 'undefined 2018-01-15 part-0.json.gz']],
    ]);
  });

  test('lists only the dates that are asked for, the first included and the last not', async () => {
    const { source, put } = await create();
    for (const folder of ['workspaceId=7/', '']) {
      for (const day of ['01', '02', '03', '04']) await put(`${folder}date=2026-09-${day}/a.json`, '{}\n');
    }
    const { workspaces } = await listAll(source, { from: '2026-09-02', before: '2026-09-04' });
    expect(workspaces.map(({ objects }) => objects.map(({ origin }) => origin.date))).toEqual([
      ['2026-09-02', '2026-09-03'],
      ['2026-09-02', '2026-09-03'],
    ]);
  });

  test('opens what was listed', async () => {
    const { source, put } = await create();
    const content = '{"a":1}\n'.repeat(100_000);
    await put('workspaceId=7/date=2026-09-01/a.json', content);
    const [object] = (await listAll(source)).objects;
    expect(object?.version.sizeBytes).toBe(content.length);
    expect(Math.abs(Date.now() - (object?.version.modifiedAtMs ?? 0))).toBeLessThan(60_000);
    expect(object && (await readText(object))).toBe(content);
  });

  test('lists and opens an empty object', async () => {
    const { source, put } = await create();
    await put('workspaceId=7/date=2026-09-01/a.json', '');
    const [object] = (await listAll(source)).objects;
    expect(object?.version.sizeBytes).toBe(0);
    expect(object && (await readText(object))).toBe('');
  });

  test('shows an overwritten object under the same id in another version', async () => {
    const { source, put } = await create();
    const path = 'workspaceId=7/date=2026-09-01/a.json';
    await put(path, 'one\n');
    const [before] = (await listAll(source)).objects;
    const [again] = (await listAll(source)).objects;
    await put(path, 'two\n');
    const [after] = (await listAll(source)).objects;
    expect(again?.version).toEqual(before?.version);
    expect(after?.origin).toEqual(before?.origin);
    expect(after?.version.etag).not.toBe(before?.version.etag);
  });

  test('refuses to open a version that was overwritten since', async () => {
    const { source, put } = await create();
    await put('workspaceId=7/date=2026-09-01/a.json', 'one\n');
    const [object] = (await listAll(source)).objects;
    await put('workspaceId=7/date=2026-09-01/a.json', 'two\n');
    await expect(object?.open(signal)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
  });

  test('lists what another thread can open, in exactly that version', async () => {
    const { source, put, remove } = await create();
    const path = 'workspaceId=7/date=2026-09-01/a b+c%20ü&#.json';
    await put(path, 'one\n');
    const [{ origin, version } = {}] = (await listAll(source)).objects;
    if (origin === undefined || version === undefined) throw new Error('nothing was listed');
    const opener = createObjectOpener();
    const listed = structuredClone({ origin, version });
    const opened = { ...listed, growing: false, open: (aborted: AbortSignal) => opener.open(listed, aborted) };
    expect(await readText(opened)).toBe('one\n');
    await put(path, 'two\n');
    await expect(opened.open(signal)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
    await remove(path);
    await expect(opened.open(signal)).rejects.toMatchObject({ code: 'ERR_OBJECT_GONE' });
    await opener.close();
  });

  test('tells that an object is gone', async () => {
    const { source, put, remove } = await create();
    await put('workspaceId=7/date=2026-09-01/a.json', 'one\n');
    const [object] = (await listAll(source)).objects;
    await remove('workspaceId=7/date=2026-09-01/a.json');
    await expect(object?.open(signal)).rejects.toMatchObject({ code: 'ERR_OBJECT_GONE' });
  });

  test('keeps names with spaces, signs and letters of any alphabet', async () => {
    const { source, put } = await create();
    const path = 'workspaceId=7/date=2026-09-01/a b+c%20ü&#.json';
    await put(path, 'x\n');
    const [object] = (await listAll(source)).objects;
    expect(object?.origin.fileName).toBe('a b+c%20ü&#.json');
    expect(object && (await readText(object))).toBe('x\n');
  });

  test('leaves out hidden names', async () => {
    const { source, put } = await create();
    for (const name of ['_SUCCESS', '.part.json', '_started.json', 'a.json']) {
      await put(`workspaceId=7/date=2026-09-01/${name}`, 'x\n');
    }
    const { objects, faults } = await listAll(source);
    expect(objects.map(({ origin }) => origin.fileName)).toEqual(['a.json']);
    expect(faults).toEqual([]);
  });

  test('rejects with the reason of an aborted signal', async () => {
    const { source, put } = await create();
    await put('workspaceId=7/date=2026-09-01/a.json', 'x\n');
    const [object] = (await listAll(source)).objects;
    const reason = new Error('stopping');
    await expect(object && readText(object, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

function createSource(location: SourceLocation): Source {
  return createSources({ sources: [location], stillAfterPolls: 0 })[0] as Source;
}
