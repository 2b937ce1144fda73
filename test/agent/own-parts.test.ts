/**
 * What a program may give the agent instead of what the configuration names.
 */
import { expect, test } from 'vitest';
import { type AgentDependencies, createAgent } from '../../src/agent/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import type { Exporter } from '../../src/contracts/exporter.ts';
import type { Source } from '../../src/contracts/source.ts';
import { createDecoder } from '../../src/decoders/index.ts';
import { createMapper } from '../../src/mapping/index.ts';
import type { DeliveredObject, ObjectId, ObjectOrigin } from '../../src/model/object.ts';
import { otlpLogs } from '../../src/model/otlp-json.ts';
import type { Environment } from '../support/agent-process.ts';
import { auditLines } from '../support/delivery-place.ts';
import { memoryObject } from '../support/memory-object.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** An attribute of the `loki` layer. */
const onlyWithLoki = 'event.name';

const ownParts: readonly [string, AgentDependencies][] = [
  ['source', { sources: [sourceOf([])] }],
  ['exporter', { exporter: recordingExporter().exporter }],
  ['mapper', { mapper: createMapper({ layers: ['databricks-audit'], redact: [], resourceAttributes: {} }) }],
  ['decoder', { decoder: createDecoder() }],
];

test.each(ownParts)('a program with its own %s cannot have worker threads', async (_, dependencies) => {
  const environment = { DATABRICKS_AUDIT_SOURCE: temporaryDirectory(), DATABRICKS_AUDIT_WORKERS: '2' };
  await expect(create(environment, dependencies)).rejects.toMatchObject({
    code: 'ERR_CONFIGURATION',
    message: expect.stringMatching(/^DATABRICKS_AUDIT_WORKERS: expected 1 with a custom .*, got 2$/),
  });
  const agent = await create({ ...environment, DATABRICKS_AUDIT_WORKERS: '1' }, dependencies);
  await agent.close();
});

test('an agent without any source is refused, because it would do nothing', async () => {
  await expect(create({}, {})).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' });
});

test('objects of its own source are mapped as configured, and the source is told the outcome', async () => {
  const outcomes: string[] = [];
  const records = await ship({ DATABRICKS_AUDIT_MAPPING: 'databricks-audit,loki' }, sourceOf([ownObject()], outcomes));
  expect(records).toHaveLength(3);
  expect(records[0]).toEqual(expect.arrayContaining(['log.record.uid', onlyWithLoki]));
  expect(outcomes).toEqual(['settled']);
});

test('an object of its own may name the layers of its mapping', async () => {
  const [plain] = await ship({}, sourceOf([ownObject()]));
  const [named] = await ship({}, sourceOf([ownObject({ mapping: 'databricks-audit,loki' })]));
  expect(plain).not.toContain(onlyWithLoki);
  expect(named).toContain(onlyWithLoki);
});

test('the location of its own object is in records', async () => {
  const location = { 'url.full': 'own://place/a.json', 'aws.s3.bucket': 'mirror', 'aws.s3.key': 'a.json' };
  const [record] = await ship({}, sourceOf([ownObject({ location })]));
  expect(record?.filter((name) => name in location)).toEqual(['aws.s3.bucket', 'aws.s3.key', 'url.full']);
});

function create(environment: Environment, dependencies: AgentDependencies) {
  const configuration = loadConfiguration(
    { DATABRICKS_AUDIT_STATE: temporaryDirectory(), ...environment },
    { hasOwnSources: true },
  );
  return createAgent(configuration, dependencies, 'oneShot');
}

/** @returns for each record the names of its attributes. */
async function ship(environment: Environment, source: Source): Promise<readonly (readonly string[])[]> {
  const { exporter, jsonLines } = recordingExporter();
  const agent = await create(environment, { sources: [source], exporter });
  try {
    expect(await agent.shipOnce(new AbortController().signal)).toBe(true);
  } finally {
    await agent.close();
  }
  return jsonLines
    .flatMap((line) => otlpLogs.parse(JSON.parse(line)).resourceLogs)
    .flatMap(({ scopeLogs }) => scopeLogs)
    .flatMap(({ logRecords }) => logRecords)
    .map(({ attributes }) => attributes.map(({ key }) => key));
}

function recordingExporter(): { readonly exporter: Exporter; readonly jsonLines: readonly string[] } {
  const jsonLines: string[] = [];
  const exporter: Exporter = {
    async export(batch) {
      jsonLines.push(...batch.toJsonLines());
      return { acceptedCount: batch.recordCount, deadLetteredCount: 0 };
    },
    async close() {},
  };
  return { exporter, jsonLines };
}

function ownObject(origin: Partial<ObjectOrigin> = {}): DeliveredObject {
  const object = memoryObject(
    auditLines(3)
      .map((line) => `${line}\n`)
      .join(''),
  );
  return { ...object, origin: { ...object.origin, id: 'own://place/a.json' as ObjectId, ...origin } };
}

function sourceOf(objects: readonly DeliveredObject[], outcomes: string[] = []): Source {
  return {
    name: 'own://place',
    pollIntervalMs: 60_000,
    async *list() {
      yield {
        workspaceId: '1',
        async *pages() {
          yield objects.map((object) => ({
            object,
            settle: ({ status }: { status: string }) => void outcomes.push(status),
          }));
        },
      };
    },
    async close() {},
  };
}
