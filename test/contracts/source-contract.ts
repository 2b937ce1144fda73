/**
 * What every kind of source promises (src/contracts/source.ts), as tests that run against any server.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Configuration, loadConfiguration } from '../../src/config/index.ts';
import type { ListingRequest, Source } from '../../src/contracts/source.ts';
import type { VisitOutcome } from '../../src/contracts/visit-outcome.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { createObjectOpener, createSources, identityOf } from '../../src/sources/index.ts';
import type { SourceKind } from '../../src/sources/source-kind.ts';
import { listAll, readText } from '../support/listing.ts';

const signal = new AbortController().signal;

/** A location that a source reads, and how to deliver there. */
export interface Place {
  /** As it is written in `DATABRICKS_AUDIT_SOURCE`, without parameters. */
  readonly url: string;
  put(path: string, content: string): Promise<unknown>;
  remove(path: string): Promise<unknown>;
}

/** @param createPlace makes an empty location, and sets what the environment must have. */
export function describeSource(
  title: string,
  { scheme, pollIntervalDefaultMs = 60_000 }: Pick<SourceKind<never>, 'scheme' | 'pollIntervalDefaultMs'>,
  createPlace: () => Promise<Place>,
): void {
  describe(title, () => {
    const create = async () => {
      const place = await createPlace();
      return { ...place, source: sourceAt(place.url) };
    };

    test('lists each workspace separately and the legacy layout as one, each with the oldest date first', async () => {
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

    test('has ids that begin as the configuration says, if it says so', async () => {
      const { url, source, put } = await create();
      await put('workspaceId=7/date=2026-09-02/auditlogs_1.json', '{}\n');
      const [location] = configured(url);
      if (location === undefined) throw new Error('one source was configured');
      const { idsBeginWith = '' } = identityOf(location);
      const { objects } = await listAll(source);
      expect(objects.map(({ origin }) => origin.id.startsWith(idsBeginWith))).toEqual([true]);
    });

    test.each([
      ['nothing', undefined],
      ['only other things', 'readme.txt'],
    ])('has no fault if %s is left of what the state knows', async (_, left) => {
      const { url, source, put, remove } = await create();
      const path = 'workspaceId=7/date=2026-09-02/auditlogs_1.json';
      await put(path, '{}\n');
      const ids = (await listAll(source)).objects.map(({ origin }) => origin.id);
      await remove(path);
      if (left !== undefined) await put(left, 'x');
      const knows = (known: readonly string[]) => async (idsBeginWith: readonly string[]) =>
        known.some((id) => idsBeginWith.some((start) => id.startsWith(start)));
      const codesOf = async (known: Parameters<typeof listAll>[2]) =>
        (await listAll(sourceAt(url), {}, known)).faults.map(({ code }) => code);
      expect(await codesOf(knows(ids))).toEqual([]);
      const fault = left === undefined ? 'ERR_SOURCE_EMPTY' : 'ERR_SOURCE_NO_DELIVERIES';
      const others = ids.map((id) => id.replace(/workspaceId=.*$/, 'x/a.json').replace('/x/', '-x/'));
      expect(await codesOf(knows(others))).toEqual([fault]);
      expect(await codesOf(async () => undefined)).toEqual([fault]);
    });

    test('lists only the requested dates, including the first and excluding the last', async () => {
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

    test('opens what it has listed', async () => {
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

    test('lists an overwritten object with the same id and another version', async () => {
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

    test('lists objects that another thread can open by the scheme of their id, in exactly that version', async () => {
      const { url, source, put, remove } = await create();
      const path = 'workspaceId=7/date=2026-09-01/a b+c%20ü&#.json';
      await put(path, 'one\n');
      const [{ origin, version } = {}] = (await listAll(source)).objects;
      if (origin === undefined || version === undefined) throw new Error('nothing was listed');
      expect(new URL(origin.id).protocol).toBe(`${scheme}:`);
      const opener = createObjectOpener(configured(url), { stillAfterPolls: 0 });
      onTestFinished(() => opener.close());
      const listed = structuredClone({ origin, version });
      const opened = { ...listed, growing: false, open: (aborted: AbortSignal) => opener.open(listed, aborted) };
      expect(await readText(opened)).toBe('one\n');
      await put(path, 'two\n');
      await expect(opened.open(signal)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
      await remove(path);
      await expect(opened.open(signal)).rejects.toMatchObject({ code: 'ERR_OBJECT_GONE' });
    });

    test('reports that an object no longer exists', async () => {
      const { source, put, remove } = await create();
      await put('workspaceId=7/date=2026-09-01/a.json', 'one\n');
      const [object] = (await listAll(source)).objects;
      await remove('workspaceId=7/date=2026-09-01/a.json');
      await expect(object?.open(signal)).rejects.toMatchObject({ code: 'ERR_OBJECT_GONE' });
    });

    test('keeps names with spaces, punctuation and letters of any alphabet', async () => {
      const { source, put } = await create();
      const path = 'workspaceId=7/date=2026-09-01/a b+c%20ü&#.json';
      await put(path, 'x\n');
      const [object] = (await listAll(source)).objects;
      expect(object?.origin.fileName).toBe('a b+c%20ü&#.json');
      expect(object && (await readText(object))).toBe('x\n');
    });

    test('skips hidden names', async () => {
      const { source, put } = await create();
      for (const name of ['_SUCCESS', '.part.json', '_started.json', 'a.json']) {
        await put(`workspaceId=7/date=2026-09-01/${name}`, 'x\n');
      }
      const { objects, faults } = await listAll(source);
      expect(objects.map(({ origin }) => origin.fileName)).toEqual(['a.json']);
      expect(faults).toEqual([]);
    });

    test('leaves out what is in a hidden folder, at any level below the partition', async () => {
      const { source, put } = await create();
      for (const folder of ['_temporary/0/_temporary/attempt_1', '.spark-staging', '_delta_log', 'part/_old', 'part']) {
        await put(`workspaceId=7/date=2026-09-01/${folder}/a.json`, 'x\n');
        await put(`date=2018-09-01/${folder}/a.json`, 'x\n');
      }
      await put('workspaceId=7/_staging/date=2026-09-01/a.json', 'x\n');
      const { objects, faults } = await listAll(source);
      expect(objects.map(({ origin }) => origin.id.split('/').slice(-3).join('/'))).toEqual([
        'date=2026-09-01/part/a.json',
        'date=2018-09-01/part/a.json',
      ]);
      expect(faults).toEqual([]);
    });

    test('reads names of every kind that it decodes, and reports once per workspace what it skips', async () => {
      const { source, put } = await create();
      const names = ['1.json', '2.jsonl', '3.ndjson', '4.json.gz', '5.json.zst', '6.zstd', '7.JSON'];
      for (const name of [...names, 'a.log', 'b.json.bz2', 'c.parquet', 'd.json.tmp', '_SUCCESS', '.e.crc']) {
        await put(`workspaceId=7/date=2026-09-01/${name}`, 'x\n');
      }
      const { objects, faults } = await listAll(source);
      expect(objects.map(({ origin }) => origin.fileName)).toEqual(names);
      expect(faults).toMatchObject([{ code: 'ERR_SOURCE_LAYOUT', hint: expect.stringContaining('.zst') }]);
      expect(faults[0]?.message).toContain('workspaceId=7/date=2026-09-01/a.log", ');
      expect(faults[0]?.message).toContain(' and 1 more in ');
      expect(faults[0]?.message).not.toMatch(/_SUCCESS|crc/);
    });

    test('is named as it was configured, without its parameters', async () => {
      const { url, source } = await create();
      expect(source.name).toBe(url);
      expect(sourceAt(`${url}?poll=5m&mapping=elastic`).name).toBe(url);
    });

    test('is polled at the interval of its location, or of the configuration, or else at the default of its kind', async () => {
      const { url, source } = await create();
      expect(source.pollIntervalMs).toBe(pollIntervalDefaultMs);
      const intervals = (more: string) => {
        const environment = {
          ...process.env,
          DATABRICKS_AUDIT_SOURCE: `${url}${more}`,
          DATABRICKS_AUDIT_POLL_INTERVAL: '7s',
        };
        return loadConfiguration(environment).sources.map(({ pollIntervalMs }) => pollIntervalMs);
      };
      expect(intervals('')).toEqual([7_000]);
      expect(intervals('?poll=11m')).toEqual([660_000]);
    });

    test('puts the mapping of its location into each origin', async () => {
      const { url, source, put } = await create();
      for (const folder of ['workspaceId=7/', 'workspaceId=8/', ''])
        await put(`${folder}date=2026-09-01/a.json`, '{}\n');
      const mappingsOf = async (listed: Source) => (await listAll(listed)).objects.map(({ origin }) => origin.mapping);
      expect(await mappingsOf(source)).toEqual([undefined, undefined, undefined]);
      const mapped = sourceAt(`${url}?mapping=databricks-audit%2Celastic`);
      expect(await mappingsOf(mapped)).toEqual(Array(3).fill('databricks-audit,elastic'));
    });

    test('describes its objects as plain data', async () => {
      const { url, put } = await create();
      for (const folder of ['workspaceId=7/', '']) await put(`${folder}date=2026-09-01/a b.json`, '{}\n');
      for (const query of ['', '?mapping=elastic']) {
        const { objects } = await listAll(sourceAt(`${url}${query}`));
        expect(objects).toHaveLength(2);
        for (const { origin, version } of objects) {
          expect(structuredClone({ origin, version })).toStrictEqual({ origin, version });
          for (const value of Object.values(origin.location)) expect(value).toBeTypeOf('string');
        }
      }
    });

    test('returns a long listing in pages, and never an empty page', async () => {
      const { source, put } = await create();
      // A page full of names that are skipped, then deliveries for more than one page.
      for (let index = 0; index < 1_001; index++) {
        const number = String(index).padStart(4, '0');
        await put(`workspaceId=7/date=2026-09-01/_${number}.json`, '');
        await put(`workspaceId=7/date=2026-09-01/a${number}.json`, '');
      }
      await put('workspaceId=8/date=2026-09-01/_SUCCESS', '');
      await put('workspaceId=8/date=2025-01-01/a.json', '');
      const sizes = new Map<string | undefined, number[]>();
      const dates = { from: '2026-01-01', before: undefined };
      for await (const { workspaceId, pages } of source.list({ dates, signal, onFault: unexpected })) {
        sizes.set(workspaceId, []);
        for await (const page of pages()) sizes.get(workspaceId)?.push(page.length);
      }
      expect([...sizes.keys()]).toEqual(['7', '8']);
      expect(sizes.get('8')).toEqual([]);
      const sizesOf7 = sizes.get('7') ?? [];
      expect(sizesOf7.length).toBeGreaterThan(1);
      expect(Math.min(...sizesOf7)).toBeGreaterThan(0);
      expect(sizesOf7.reduce((sum, size) => sum + size)).toBe(1_001);
    });

    const error = new AgentError('ERR_SOURCE_READ', 'no');
    const unfinished: readonly VisitOutcome[] = [
      { status: 'growing' },
      { status: 'released', error },
      { status: 'elsewhere' },
    ];
    test.each(unfinished)('offers an object again after a visit that ended as $status', async (outcome) => {
      const { source, put } = await create();
      await put('workspaceId=7/date=2026-09-01/a.json', 'one');
      const [first] = (await listAll(source)).candidates;
      first?.settle(outcome);
      const [again, ...others] = (await listAll(source)).candidates;
      expect(others).toEqual([]);
      expect(again?.object.origin).toEqual(first?.object.origin);
      expect(again?.object.version).toEqual(first?.object.version);
      expect(again && (await readText(again.object))).toBe('one');
    });

    test('rejects with the reason of an aborted signal', async () => {
      const { source, put } = await create();
      await put('workspaceId=7/date=2026-09-01/a.json', 'x\n');
      const [object] = (await listAll(source)).objects;
      const reason = new Error('stopping');
      await expect(object && readText(object, AbortSignal.abort(reason))).rejects.toBe(reason);
    });
  });
}

const unexpected: ListingRequest['onFault'] = (fault) => {
  throw fault;
};

function configured(url: string): Configuration['sources'] {
  return loadConfiguration({ ...process.env, DATABRICKS_AUDIT_SOURCE: url }).sources;
}

function sourceAt(url: string): Source {
  const [source, ...others] = createSources(configured(url), { stillAfterPolls: 0 });
  if (source === undefined || others.length > 0) throw new Error(`${url} is not one source`);
  onTestFinished(() => source.close());
  return source;
}
