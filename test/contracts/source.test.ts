/**
 * Runs the contract tests for every kind of source.
 */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadConfiguration } from '../../src/config/index.ts';
import { createSources } from '../../src/sources/index.ts';
import { type KindName, kinds } from '../../src/sources/kinds.ts';
import { type Listing, listAll } from '../support/listing.ts';
import { type AzureServer, startAzureServer } from '../support/object-servers/azure-server.ts';
import { type GcsServer, startGcsServer } from '../support/object-servers/gcs-server.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { describeSource, type Place } from './source-contract.ts';

let server: S3Server;
let azureServer: AzureServer;
let gcsServer: GcsServer;
let bucketCount = 0;
beforeAll(async () => {
  [server, azureServer, gcsServer] = await Promise.all([startS3Server(), startAzureServer(), startGcsServer()]);
});
afterAll(() => Promise.all([server.stop(), azureServer.stop(), gcsServer.stop()]));

/** The kinds whose objects are files in Databricks' layout. The table has none; test/sources/table tests it. */
type FileKindName = Exclude<KindName, 'table'>;

const places: Readonly<Record<FileKindName, () => Promise<Place>>> = {
  async directory() {
    const path = temporaryDirectory();
    return {
      url: pathToFileURL(path).href,
      async put(name, content) {
        const file = join(path, name);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(join(path, '.new'), content);
        await rename(join(path, '.new'), file);
      },
      remove: (name) => rm(join(path, name)),
    };
  },
  azure: async () => placeIn(azureServer, 'az'),
  gcs: async () => placeIn(gcsServer, 'gs'),
  async s3() {
    for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
    const bucket = `contract-${++bucketCount}`;
    await server.createBucket(bucket);
    return {
      url: `s3://${bucket}/audit`,
      put: (name, content) => server.put(bucket, `audit/${name}`, content),
      remove: (name) => server.delete(bucket, `audit/${name}`),
    };
  },
};

function placeIn({ store, environment }: AzureServer | GcsServer, scheme: string): Place {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const bucket = `contract-${++bucketCount}`;
  store.create(bucket);
  return {
    url: `${scheme}://${bucket}/audit`,
    put: async (name, content) => store.put(bucket, `audit/${name}`, content),
    remove: async (name) => store.delete(bucket, `audit/${name}`),
  };
}

test('every kind of source is tested', () => {
  expect([...Object.keys(places), 'table'].sort()).toEqual(Object.keys(kinds).sort());
});

const { table: _, ...fileKinds } = kinds;

for (const [name, kind] of Object.entries(fileKinds)) {
  describeSource(`the ${name} source`, kind, places[name as FileKindName]);
}

async function listingOf(url: string, knowsAny?: Parameters<typeof listAll>[2]): Promise<Listing> {
  const { sources } = loadConfiguration({ ...process.env, DATABRICKS_AUDIT_SOURCE: url });
  const [source] = createSources(sources, { stillAfterPolls: 0 });
  if (source === undefined) throw new Error('one source was configured');
  onTestFinished(() => source.close());
  return await listAll(source, {}, knowsAny);
}

async function faultsOf(url: string): Promise<Listing['faults']> {
  return (await listingOf(url)).faults;
}

describe.each(['s3', 'azure', 'gcs'] as const)('the %s source of keys with an empty segment', (kind) => {
  test.each([
    ['before the prefix', '/logs', '//logs'],
    ['after it', 'logs/', '/logs//'],
    ['alone', '', '//'],
  ])('is suggested, and lists them, when that is %s', async (_, folder, suggested) => {
    const { url, put } = await places[kind]();
    await put(`${folder}/workspaceId=7/date=2026-09-01/a.json`, '{}\n');
    const suggestion = `${url}${suggested}`;
    expect(await faultsOf(url)).toMatchObject([{ hint: `Try DATABRICKS_AUDIT_SOURCE=${suggestion}` }]);
    const { objects, faults } = await listingOf(suggestion);
    expect(faults).toEqual([]);
    expect(objects.map(({ origin }) => [origin.workspaceId, origin.date])).toEqual([['7', '2026-09-01']]);
    expect(objects[0]?.origin.id).toContain(`/audit/${folder}/workspaceId=7/`);
  });

  test('is not the source of the same keys without it', async () => {
    const { url, put } = await places[kind]();
    await put('logs/workspaceId=7/date=2026-09-01/a.json', '{}\n');
    for (const [wrong, right] of [
      [`${url}//logs`, `${url}/logs`],
      [`${url}/logs//`, `${url}/logs`],
    ]) {
      expect(await faultsOf(wrong ?? '')).toMatchObject([
        {
          code: 'ERR_SOURCE_NO_DELIVERIES',
          message: `There is nothing in ${wrong}, a prefix with an empty segment (//)`,
          hint: `Try DATABRICKS_AUDIT_SOURCE=${right}`,
        },
      ]);
    }
  });

  test('waits for the first delivery while there is nothing anywhere', async () => {
    const { url } = await places[kind]();
    expect(await faultsOf(`${url}//logs`)).toMatchObject([{ code: 'ERR_SOURCE_EMPTY' }]);
  });
});

describe.each(['s3', 'azure', 'gcs'] as const)('the %s source of another folder', (kind) => {
  test.each([
    ['no delivery', 'logs/workspaceId=1/date=2026-09-01/a.csv'],
    ['hidden files only', 'logs/workspaceId=1/_x/date=2026-09-01/a.json'],
    ['a marker only', 'logs/workspaceId=1/'],
    ['a workspace in the wrong case', 'logs/WorkspaceId=1/date=2026-09-01/a.json'],
  ])('does not suggest a folder of the layout with %s', async (_, path) => {
    const { url, put } = await places[kind]();
    await put(path, '{}\n');
    for (const folder of ['', '/logs', '/logs/other', '/other'])
      for (const { hint } of await faultsOf(`${url}${folder}`))
        expect([folder, hint]).not.toEqual([folder, expect.stringMatching(/^Try /)]);
  });

  test('suggests the one with a delivery, whatever else is there', async () => {
    const { url, put } = await places[kind]();
    await put('a/workspaceId=1/date=2026-09-01/a.csv', 'x');
    await put('b/workspaceId=1/date=2026-09-01/a.csv', 'x');
    await put('b/workspaceId=1/date=2026-09-02/a.json', '{}\n');
    const suggested = { hint: `Try DATABRICKS_AUDIT_SOURCE=${url}/b` };
    for (const folder of ['', '/a', '/a/other', '/other'])
      expect([
        folder,
        (await faultsOf(`${url}${folder}`)).find(({ code }) => code !== 'ERR_SOURCE_LAYOUT'),
      ]).toMatchObject([folder, suggested]);
  });

  test('is wrong although the state knows objects further down', async () => {
    const { url, put } = await places[kind]();
    await put('logs/workspaceId=7/date=2026-09-01/a.json', '{}\n');
    const { objects } = await listingOf(`${url}/logs`);
    const knowsAny = async (idsBeginWith: readonly string[]) =>
      objects.some(({ origin }) => idsBeginWith.some((start) => origin.id.startsWith(start)));
    expect((await listingOf(url, knowsAny)).faults).toMatchObject([{ code: 'ERR_SOURCE_NO_DELIVERIES' }]);
  });
});

describe.each(['s3', 'azure', 'gcs'] as const)('the %s source of one object', (kind) => {
  test('says that it is no folder, and names the folder with the layout', async () => {
    const { url, put } = await places[kind]();
    for (const path of ['workspaceId=7/date=2026-09-01/a.json', 'date=2026-09-01/b.json.gz']) {
      await put(path, '{}\n');
      expect(await faultsOf(`${url}/${path}`)).toMatchObject([
        {
          code: 'ERR_SOURCE_NO_DELIVERIES',
          message: `${url}/${path} is an object, and a source is a folder`,
          hint: `Try DATABRICKS_AUDIT_SOURCE=${url}`,
        },
      ]);
    }
  });

  test('says what the folder must hold if there is none with the layout', async () => {
    const { url, put } = await places[kind]();
    await put('exports/a.json', '{}\n');
    expect(await faultsOf(`${url}/exports/a.json`)).toMatchObject([
      { code: 'ERR_SOURCE_NO_DELIVERIES', hint: expect.stringContaining('the folder that holds workspaceId=<id>/') },
    ]);
  });

  test('is empty if there is no such object, even if another begins with its name', async () => {
    const { url, put } = await places[kind]();
    await put('exports/a.json.gz', '{}\n');
    expect(await faultsOf(`${url}/exports/a.json`)).toMatchObject([{ code: 'ERR_SOURCE_EMPTY' }]);
  });
});
