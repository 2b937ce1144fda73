/**
 * Runs the contract tests for every kind of source.
 */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type KindName, kinds } from '../../src/sources/kinds.ts';
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
