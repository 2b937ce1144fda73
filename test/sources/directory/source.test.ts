import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { appendFile, chmod, mkdir, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { getuid } from 'node:process';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Candidate, DateRange } from '../../../src/contracts/source.ts';
import type { VisitOutcome } from '../../../src/contracts/visit-outcome.ts';
import { AgentError } from '../../../src/model/agent-error.ts';
import type { DeliveredObject } from '../../../src/model/object.ts';
import { type DeliveryFiles, type FileStats, realFiles } from '../../../src/sources/directory/delivery-files.ts';
import { describeFileError } from '../../../src/sources/directory/errors.ts';
import { directoryAt } from '../../../src/sources/directory/location.ts';
import { createFileOpener } from '../../../src/sources/directory/opener.ts';
import { DirectorySource } from '../../../src/sources/directory/source.ts';
import { Stillness } from '../../../src/sources/stillness.ts';
import { listAll, readText } from '../../support/listing.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const signal = new AbortController().signal;

describe('the tree', () => {
  test('reads any tree of .json, .jsonl, .ndjson and .gz files, in the order of their paths', async () => {
    const root = await tree({ 'b/c/x.jsonl': '', 'b/a.JSON': '', 'a.json.gz': '', 'z.ndjson': '', 'b/readme.txt': '' });
    const { workspaces, faults } = await listAll(sourceOf(root));
    expect(workspaces.map(({ workspaceId }) => workspaceId)).toEqual([undefined]);
    expect(namesOf(workspaces[0]?.objects)).toEqual(['a.json.gz', 'a.JSON', 'x.jsonl', 'z.ndjson']);
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_LAYOUT', message: expect.stringContaining('Skipped files') }]);
    expect(faults[0]?.message).toContain('"b/readme.txt" in ');
  });

  test('reads one single file, whatever its name', async () => {
    const root = await tree({ 'workspaceId=7/date=2026-09-01/export.txt': 'x\n' });
    const { workspaces } = await listAll(sourceOf(join(root, 'workspaceId=7/date=2026-09-01/export.txt')));
    expect(workspaces).toMatchObject([{ workspaceId: '7', objects: [{ origin: { date: '2026-09-01' } }] }]);
  });

  test('knows workspace and date if it starts within the layout', async () => {
    const root = await tree({ 'workspaceId=7/date=2026-09-01/a.json': '', 'workspaceId=7/date=2026-09-05/a.json': '' });
    const inWorkspace = await listAll(sourceOf(join(root, 'workspaceId=7')), { from: '2026-09-02' });
    expect(inWorkspace.workspaces).toMatchObject([{ workspaceId: '7', objects: [{ origin: { date: '2026-09-05' } }] }]);
    const inOldDate = await listAll(sourceOf(join(root, 'workspaceId=7/date=2026-09-01')), { from: '2026-09-02' });
    expect(inOldDate.objects).toEqual([]);
  });

  test('lists files without a date in every range', async () => {
    const root = await tree({ 'a.json': '' });
    expect((await listAll(sourceOf(root), { from: '2030-01-01' })).objects).toHaveLength(1);
  });

  test('does not read folders of other dates', async () => {
    const root = await tree({ 'date=2026-09-01/a.json': '', 'date=2026-09-02/a.json': '' });
    await symlink(join(root, 'nowhere'), join(root, 'date=2026-09-01/broken.json'));
    const { objects, faults } = await listAll(sourceOf(root), { from: '2026-09-02' });
    expect([objects.length, faults.length]).toEqual([1, 0]);
  });

  test('uses the URL of its path as the id of a file', async () => {
    const root = await tree({ 'date=2026-09-01/a b#.json': '' });
    const [object] = (await listAll(sourceOf(root))).objects;
    expect(object?.origin).toEqual({
      id: pathToFileURL(join(root, 'date=2026-09-01/a b#.json')).href,
      fileName: 'a b#.json',
      location: {},
      workspaceId: undefined,
      date: '2026-09-01',
    });
  });

  test('says so when there is content but no delivery anywhere below it, whatever the folders are called', async () => {
    const root = await tree({ 'a.log': '', 'b.log': '', 'workspaceId=1/date=2026-09-01/c.parquet': '', 'd.log': '' });
    expect((await listAll(sourceOf(root))).faults).toMatchObject([
      {
        code: 'ERR_SOURCE_NO_DELIVERIES',
        message: expect.stringContaining('but "a.log", "b.log", "d.log" and 1 more'),
      },
    ]);
    const folders = await tree({ 'other/folder/.keep': '' });
    expect((await listAll(sourceOf(folders))).faults).toMatchObject([{ code: 'ERR_SOURCE_NO_DELIVERIES' }]);
  });

  test('names the directory that holds the deliveries: above, beside or below one above', async () => {
    const root = await tree({
      'audit/workspaceId=1/date=2026-09-01/a.json': '',
      'other/notes.txt': '',
      'a/b/c.txt': '',
    });
    for (const wrong of ['other', 'a/b']) {
      const [fault] = (await listAll(sourceOf(join(root, wrong)))).faults;
      expect(fault?.hint).toBe(`Try DATABRICKS_AUDIT_SOURCE=${join(root, 'audit')}`);
    }
    await mkdir(join(root, 'audit', 'docs'));
    await writeFile(join(root, 'audit', 'docs', 'notes.txt'), '');
    const [fault] = (await listAll(sourceOf(join(root, 'audit', 'docs')))).faults;
    expect(fault?.hint).toBe(`Try DATABRICKS_AUDIT_SOURCE=${join(root, 'audit')}`);
  });

  test('waits for the first delivery while there is nothing, or only what systems and tools leave', async () => {
    const root = await tree({ _SUCCESS: '', '.tmp/a.json': '', 'workspaceId=1/date=2026-09-01/_started': '' });
    await mkdir(join(root, 'lost+found'));
    expect((await listAll(sourceOf(root))).faults).toMatchObject([{ code: 'ERR_SOURCE_EMPTY' }]);
  });

  test('finds no fault when all deliveries are older than asked for, or were removed after they were seen', async () => {
    const root = await tree({ 'workspaceId=1/date=2018-01-15/a.json': '' });
    const source = sourceOf(root);
    expect((await listAll(source, { from: '2026-09-01' })).faults).toEqual([]);
    await rm(join(root, 'workspaceId=1'), { recursive: true });
    expect((await listAll(source)).faults).toEqual([]);
  });
});

describe('a failure', () => {
  test('rejects the listing if there is nothing at the path', async () => {
    const path = join(temporaryDirectory(), 'missing');
    await expect(listAll(sourceOf(path))).rejects.toMatchObject({
      code: 'ERR_SOURCE_NOT_FOUND',
      message: `There is no file or directory at ${path}`,
    });
  });

  test('names the URL if a path was given parameters', async () => {
    const path = join(temporaryDirectory(), 'logs?mapping=immuta-audit');
    await expect(listAll(sourceOf(path))).rejects.toMatchObject({
      code: 'ERR_SOURCE_NOT_FOUND',
      hint: `Only a URL takes parameters: use ${pathToFileURL(path).href.replace('%3F', '?')}.`,
    });
  });

  test('is reported for a loop of symbolic links, while other links are followed', async () => {
    const root = await tree({ 'real/a.json': 'x\n' });
    await symlink(join(root, 'real'), join(root, 'link'));
    await symlink(root, join(root, 'real/up'));
    await symlink('self', join(root, 'self'));
    const { objects, faults } = await listAll(sourceOf(root));
    expect(namesOf(objects)).toEqual(['a.json', 'a.json']);
    expect(faults.map(({ code, message }) => [code, basename(message.split(': ')[0] ?? '')])).toEqual([
      ['ERR_SOURCE_READ', 'up'],
      ['ERR_SOURCE_READ', 'up'],
      ['ERR_SOURCE_READ', 'self'],
    ]);
  });

  test('is reported for a broken link, and the listing continues', async () => {
    const root = await tree({ 'b.json': '' });
    await symlink(join(root, 'nothing'), join(root, 'a.json'));
    const { objects, faults } = await listAll(sourceOf(root));
    expect(namesOf(objects)).toEqual(['b.json']);
    expect(faults).toMatchObject([
      {
        code: 'ERR_SOURCE_READ',
        message: `Could not follow ${join(root, 'a.json')}: the target of the link does not exist`,
      },
    ]);
  });

  test('follows a link out of the directory only when told to, and says so', async () => {
    const elsewhere = await tree({ 'date=2026-09-01/a.json': 'x\n', 'b.json': 'x\n' });
    const root = await tree({ 'data/c.json': 'x\n' });
    await symlink(elsewhere, join(root, 'linked'));
    await symlink(join(elsewhere, 'b.json'), join(root, 'b.json'));
    await symlink(join(root, 'data/c.json'), join(root, 'd.json'));
    const { objects, faults } = await listAll(sourceOf(root));
    expect(namesOf(objects).toSorted()).toEqual(['c.json', 'd.json']);
    expect(faults).toMatchObject([
      {
        code: 'ERR_SOURCE_LAYOUT',
        message: `Skipped links out of the directory: "b.json", "linked" in ${root}`,
        hint: expect.stringContaining('DATABRICKS_AUDIT_FOLLOW_LINKS=true'),
      },
    ]);
    const all = await listAll(sourceOf(root, 0, true));
    expect(namesOf(all.objects).toSorted()).toEqual(['a.json', 'b.json', 'b.json', 'c.json', 'd.json']);
    expect(all.faults).toEqual([]);
  });

  test('reads a directory that is a link itself', async () => {
    const root = await tree({ 'real/a.json': 'x\n', 'real/b/c.json': 'x\n' });
    await symlink('b', join(root, 'real/d'));
    await symlink(join(root, 'real'), join(root, 'link'));
    const { objects, faults } = await listAll(sourceOf(join(root, 'link')));
    expect(namesOf(objects)).toEqual(['a.json', 'c.json', 'c.json']);
    expect(faults).toEqual([]);
  });

  test('skips a pipe among files, and refuses to read one', async () => {
    const root = await tree({ 'a.json': 'x\n' });
    execFileSync('mkfifo', [join(root, 'b.json')]);
    const { objects, faults } = await listAll(sourceOf(root));
    expect(namesOf(objects)).toEqual(['a.json']);
    const message = `Skipped pipes and devices: "b.json" in ${root}`;
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_LAYOUT', message }]);
    await expect(listAll(sourceOf(join(root, 'b.json')))).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining('a pipe or a device'),
    });
  });

  test('does not wait for a pipe that took the place of a file', async () => {
    const root = await tree({ 'a.json': 'x\n' });
    const [object] = (await listAll(sourceOf(root))).objects;
    await rm(join(root, 'a.json'));
    execFileSync('mkfifo', [join(root, 'a.json')]);
    await expect(object?.open(signal)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
  });

  test.skipIf(process.platform !== 'linux')('reads files and folders whose names are not UTF-8', async () => {
    const root = await tree({});
    const latin1 = (name: string) => Buffer.from(`${root}/${name}`, 'latin1');
    mkdirSync(latin1('d\xe9pot'));
    const names = ['caf\xe9.json', 'caf\xea.json', 'd\xe9pot/\xc3\xa9 \xff%#.json'];
    for (const name of names) writeFileSync(latin1(name), `${name.length}\n`);
    const { objects, faults } = await listAll(sourceOf(root));
    expect(faults).toEqual([]);
    expect(objects.map(({ origin }) => origin.id.slice(pathToFileURL(root).href.length))).toEqual([
      '/caf%E9.json',
      '/caf%EA.json',
      '/d%E9pot/%C3%A9%20%FF%25%23.json',
    ]);
    expect(namesOf(objects)).toEqual(['caf\ufffd.json', 'caf\ufffd.json', 'é \ufffd%#.json']);
    const opener = createFileOpener(realFiles);
    for (const [index, { origin, version }] of objects.entries()) {
      const opened = {
        origin,
        version,
        growing: false,
        open: (stop: AbortSignal) => opener.open({ origin, version }, stop),
      };
      expect(await readText(opened)).toBe(`${names[index]?.length}\n`);
    }
  });

  test.skipIf(getuid?.() === 0)('is reported for unreadable folders and files, and the listing continues', async () => {
    const root = await tree({ 'a/x.json': '', 'b.json': '', 'c.json': 'x\n' });
    await chmod(join(root, 'a'), 0);
    await chmod(join(root, 'b.json'), 0);
    const { objects, faults } = await listAll(sourceOf(root));
    await chmod(join(root, 'a'), 0o700);
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_ACCESS_DENIED' }]);
    await expect(objects[0] && readText(objects[0])).rejects.toMatchObject({ code: 'ERR_SOURCE_ACCESS_DENIED' });
    expect(objects[1] && (await readText(objects[1]))).toBe('x\n');
  });

  test.each([
    ['EACCES', 'ERR_SOURCE_ACCESS_DENIED', /permission/],
    ['EMFILE', 'ERR_SOURCE_READ', /ulimit/],
    ['EIO', 'ERR_SOURCE_READ', /file system/],
    ['ENOENT', 'ERR_OBJECT_GONE', /removed/],
  ])('with %s has a hint', (errno, code, hint) => {
    const error = describeFileError(Object.assign(new Error('raw'), { code: errno }), 'open', '/logs/a.json');
    expect(error).toMatchObject({ code, hint: expect.stringMatching(hint) });
    expect(error.message).toMatch(new RegExp(`^Could not open /logs/a.json: .* \\(${errno}\\)$`));
  });

  test('never has control characters of a name in its message', async () => {
    const root = await tree({});
    await symlink('nothing', join(root, 'evil\u001b[31m\n.json'));
    const [fault] = (await listAll(sourceOf(root))).faults;
    expect(fault?.message).toContain('evil\\u{1b}[31m\\u{a}.json');
    expect(fault?.message).not.toMatch(/\p{Cc}/u);
  });
});

describe('the version', () => {
  test('changes if only the time, only the size or only the inode changes', async () => {
    const root = await tree({ 'a.json': 'one\n' });
    const path = join(root, 'a.json');
    const time = new Date(1_700_000_000_123);
    await utimes(path, time, time);
    const etags = [await etagOf(root)];
    await utimes(path, time, new Date(1_700_000_000_124));
    etags.push(await etagOf(root));
    await appendFile(path, 'two\n');
    await utimes(path, time, time);
    etags.push(await etagOf(root));
    await writeFile(join(root, 'b.json'), 'one\ntwo\n');
    await rename(join(root, 'b.json'), path);
    await utimes(path, time, time);
    etags.push(await etagOf(root));
    expect(new Set(etags).size).toBe(4);
  });

  test.each([
    ['appended to', (path: string) => appendFile(path, 'more\n')],
    ['truncated', (path: string) => truncate(path, 200_000)],
    ['written over in place', (path: string) => writeFile(path, Buffer.alloc(400_000, 'y'))],
  ])('is rejected, at the latest at its end, if the file is %s while it is read', async (_, change) => {
    const root = await tree({ 'a.json': 'x'.repeat(400_000) });
    const [object] = (await listAll(sourceOf(root))).objects;
    const reading = async () => {
      let isFirst = true;
      for await (const _chunk of (await object?.open(signal)) ?? []) {
        if (isFirst) await change(join(root, 'a.json'));
        isFirst = false;
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
  });

  test('contains no byte that is appended while it is read', async () => {
    const root = await tree({ 'a.json': 'x'.repeat(400_000) });
    const [object] = (await listAll(sourceOf(root))).objects;
    let sizeBytes = 0;
    const reading = async () => {
      for await (const chunk of (await object?.open(signal)) ?? []) {
        if (sizeBytes === 0) await appendFile(join(root, 'a.json'), 'more\n');
        sizeBytes += chunk.length;
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
    expect(sizeBytes).toBe(400_000);
  });

  test('is read although the file system gives the file another inode number each time', async () => {
    const root = await tree({ 'a.json': 'x\n' });
    let inode = 1n;
    const renumber = (stats: FileStats): FileStats => Object.assign(stats, { ino: inode++ });
    const files: DeliveryFiles = {
      ...realFiles,
      lstat: async (path) => renumber(await realFiles.lstat(path)),
      async open(path) {
        const file = await realFiles.open(path);
        const opened = inode++;
        return { ...file, stat: async () => Object.assign(await file.stat(), { ino: opened }) };
      },
    };
    const source = new DirectorySource({ ...directoryAt(root), pollIntervalMs: 60_000 }, 0, files);
    const [object] = (await listAll(source)).objects;
    expect(object && (await readText(object))).toBe('x\n');
  });

  test('is read completely even if another file is renamed over it', async () => {
    const root = await tree({ 'a.json': 'x'.repeat(400_000) });
    const [object] = (await listAll(sourceOf(root))).objects;
    let sizeBytes = 0;
    for await (const chunk of (await object?.open(signal)) ?? []) {
      if (sizeBytes === 0) await rm(join(root, 'a.json'));
      sizeBytes += chunk.length;
    }
    expect(sizeBytes).toBe(400_000);
  });

  test('is read in chunks that share their memory, however large the file is', async () => {
    const root = await tree({ 'a.json': 'x'.repeat(400_000) });
    const [object] = (await listAll(sourceOf(root))).objects;
    const buffers = new Set<ArrayBufferLike>();
    for await (const chunk of (await object?.open(signal)) ?? []) buffers.add(chunk.buffer);
    expect(buffers.size).toBe(1);
  });
});

describe('a file that may still be written', () => {
  test('is growing until the same version was found incomplete in two listings', async () => {
    const root = await tree({ 'a.json': 'one' });
    const source = sourceOf(root, 2);
    const seen: boolean[] = [];
    for (let poll = 0; poll < 4; poll++) seen.push(await visit(source));
    expect(seen).toEqual([true, true, false, false]);
  });

  test('is growing again after a change', async () => {
    const root = await tree({ 'a.json': 'one' });
    const source = sourceOf(root, 2);
    const seen: boolean[] = [];
    for (let poll = 0; poll < 6; poll++) {
      if (poll === 2) await appendFile(join(root, 'a.json'), ' more');
      seen.push(await visit(source));
    }
    expect(seen).toEqual([true, true, true, true, false, false]);
  });

  const error = new AgentError('ERR_SOURCE_READ', 'no');
  const otherOutcomes: readonly VisitOutcome[] = [
    { status: 'unchanged' },
    { status: 'settled' },
    { status: 'damaged', error },
    { status: 'released', error },
    { status: 'elsewhere' },
  ];

  test.each(otherOutcomes)('is growing however often a visit to it ends as $status', async (outcome) => {
    const root = await tree({ 'a.json': 'one' });
    const source = sourceOf(root, 2);
    const seen: boolean[] = [];
    for (let poll = 0; poll < 4; poll++) seen.push(await visit(source, {}, outcome));
    expect(seen).toEqual([true, true, true, true]);
  });

  test('is growing until it is visited, however often it is listed', async () => {
    const root = await tree({ 'a.json': 'one' });
    const source = sourceOf(root, 2);
    for (let poll = 0; poll < 4; poll++) await listAll(source);
    expect((await listAll(source)).objects[0]?.growing).toBe(true);
  });

  test('is never growing for commands that ship what is there', async () => {
    const root = await tree({ 'a.json': 'one' });
    expect(await visit(sourceOf(root, 0))).toBe(false);
  });

  test('is not affected by listings of other dates in between', async () => {
    const root = await tree({ 'date=2020-01-01/a.json': 'one', 'date=2026-09-01/b.json': 'two' });
    const source = sourceOf(root, 2);
    const seen: boolean[] = [];
    for (let poll = 0; poll < 3; poll++) {
      seen.push(await visit(source, { before: '2026-01-01' }));
      for (let other = 0; other < 3; other++) await listAll(source, { from: '2026-01-01' });
    }
    expect(seen).toEqual([true, true, false]);
  });

  test('is forgotten once it is no longer found incomplete', () => {
    const stillness = new Stillness(2);
    stillness.isGrowing('/a', 'v1', 1);
    stillness.foundIncomplete('/a', 'v1', 1);
    stillness.isGrowing('/a', 'v1', 2);
    expect(stillness.rememberedCount).toBe(1);
    stillness.isGrowing('/a', 'v1', 3);
    expect(stillness.rememberedCount).toBe(0);
  });

  test('takes bounded memory, and each of many files gets its turn', () => {
    const stillness = new Stillness(2, { rememberedMax: 10 });
    const waiting = new Set(Array.from({ length: 95 }, (_, index) => `/${index}`));
    let listing = 0;
    while (waiting.size > 0 && listing < 1_000) {
      listing++;
      for (let index = 0; index < 95; index++) {
        const path = `/${index}`;
        const isGrowing = stillness.isGrowing(path, 'v1', listing);
        if (!waiting.has(path)) continue;
        if (isGrowing) stillness.foundIncomplete(path, 'v1', listing);
        else waiting.delete(path);
      }
      expect(stillness.rememberedCount).toBeLessThanOrEqual(10);
    }
    expect(waiting.size).toBe(0);
  });

  test('makes room for others when it is removed', () => {
    const stillness = new Stillness(2, { rememberedMax: 1 });
    stillness.isGrowing('/removed', 'v1', 1);
    stillness.foundIncomplete('/removed', 'v1', 1);
    const seen: boolean[] = [];
    for (let listing = 3; listing < 7; listing++) {
      seen.push(stillness.isGrowing('/new', 'v1', listing));
      stillness.foundIncomplete('/new', 'v1', listing);
    }
    expect(seen).toEqual([true, true, false, false]);
  });
});

function sourceOf(path: string, stillAfterPolls = 0, followLinks?: boolean): DirectorySource {
  return new DirectorySource({ ...directoryAt(path), pollIntervalMs: 60_000, followLinks }, stillAfterPolls);
}

/** Lists and reads the only object, and settles its candidate. @returns whether it was growing. */
async function visit(
  source: DirectorySource,
  dates: Partial<DateRange> = {},
  outcome: VisitOutcome = { status: 'growing' },
): Promise<boolean> {
  const [{ object, settle }] = (await listAll(source, dates)).candidates as [Candidate];
  await readText(object);
  settle(outcome);
  return object.growing;
}

async function etagOf(root: string): Promise<string | undefined> {
  return (await listAll(sourceOf(root))).objects[0]?.version.etag;
}

async function tree(files: Readonly<Record<string, string>>): Promise<string> {
  const root = temporaryDirectory();
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}

function namesOf(objects: readonly DeliveredObject[] | undefined): readonly string[] {
  return (objects ?? []).map(({ origin }) => origin.fileName);
}
