/**
 * The agent, wired as in production, in a world that consists only of models.
 */
// The agent loads these on first use, which in the middle of a history would take real time.
import '@aws-sdk/client-s3';
import '@opentelemetry/otlp-transformer';
import { join } from 'node:path';
import { type Agent, createAgent } from '../../../src/agent/agent.ts';
import type { SharingDependencies } from '../../../src/agent/state.ts';
import { type Configuration, loadConfiguration } from '../../../src/config/index.ts';
import type { Decoder } from '../../../src/contracts/decoder.ts';
import type { Mapper } from '../../../src/contracts/mapper.ts';
import { createDecoder } from '../../../src/decoders/index.ts';
import { createMapper } from '../../../src/mapping/index.ts';
import { isAgentError } from '../../../src/model/agent-error.ts';
import type { Logger } from '../../../src/runtime/logger.ts';
import type { ContestedState } from './contested-state.ts';
import type { Faults } from './faults.ts';
import type { ModelBucket } from './model-bucket.ts';
import { type ModelCollector, requestTimeoutMs } from './model-collector.ts';
import type { ModelDisk } from './model-disk.ts';
import { type ModelFiles, rootPath } from './model-files.ts';
import type { ModelQueue } from './model-queue.ts';
import type { ModelS3 } from './model-s3.ts';
import type { Oracle } from './oracle.ts';
import type { Plan, Settings } from './plan.ts';
import { sdkApi } from './s3-messages.ts';
import type { SimulatedState } from './simulated-state.ts';
import type { Life, World } from './world.ts';

/** Everything that exists in one history. */
export interface Models {
  readonly plan: Plan;
  /** A separate directory. */
  readonly root: string;
  readonly world: World;
  readonly faults: Faults;
  readonly bucket: ModelBucket;
  readonly s3: ModelS3;
  /** Undefined if there are no notifications. */
  readonly queue: ModelQueue | undefined;
  readonly files: ModelFiles;
  readonly collector: ModelCollector;
  readonly letters: ModelDisk;
  readonly state: SimulatedState;
  /** Replaces SQLite if it is set. */
  readonly contested: ContestedState | undefined;
  readonly oracle: Oracle;
}

export interface SimulatedAgentOptions {
  readonly mode: 'longRunning' | 'oneShot';
  readonly diesAtNextCommit: () => boolean;
  /** Called when a batch in flight was abandoned because its claim was taken over. */
  readonly onAbandoned: () => void;
  /** Called when the agent reports that it sends an object again. */
  readonly onSentAgain: (key: string) => void;
}

export const bucketName = 'audit-bucket';

/** Compiled once: it has no state, and thousands of processes start here. */
const mapper: Mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });

/** Rejects as `createAgent` does. */
export async function createSimulatedAgent(models: Models, life: Life, options: SimulatedAgentOptions): Promise<Agent> {
  const { plan, root, world, faults, s3, queue, files, collector, letters, state } = models;
  return await createAgent(
    configurationOf(plan.settings, state.directory(life.number), join(root, 'letters'), queue !== undefined),
    {
      logger: loggerOf(life, world, options.onSentAgain),
      stdout: process.stdout,
      clock: world.clockOf(life, () => faults.clockAheadMs),
      observer: (event) => {
        if (life.alive && event.kind === 'objectVisited') world.note(`${event.objectId} visited: ${event.status}`);
        if (event.kind === 'batchAbandoned') options.onAbandoned();
      },
      createS3: () => (plan.settings.bucket === 'sdk' ? sdkApi(s3, world, life) : s3.api(life)),
      createSqs: queue && (() => queue.api(life)),
      deliveryFiles: files.of(life),
      transport: collector.of(life),
      deadLetterFiles: letters.of(life),
      openDatabase: (path) => state.open(path, life, options.diesAtNextCommit),
      openState: models.contested?.openFor(life),
      decoder: watchedDecoder(life),
      mapper,
    },
    options.mode,
  );
}

export interface SimulatedReplicaOptions {
  readonly mode: 'longRunning' | 'oneShot';
  /** How far its clock is ahead of the time. */
  readonly aheadMs: number;
  readonly onSentAgain: (key: string) => void;
  readonly sharing: SharingDependencies;
}

/** One of several agents that share a state. Rejects as `createAgent` does. */
export async function createSimulatedReplica(
  models: Pick<Models, 'plan' | 'world' | 'faults' | 's3' | 'collector' | 'letters'>,
  life: Life,
  { mode, aheadMs, onSentAgain, sharing }: SimulatedReplicaOptions,
): Promise<Agent> {
  const { plan, world, faults, s3, collector, letters } = models;
  return await createAgent(
    configurationOf(plan.settings, 'dynamodb://simulated-table', `/letters/${life.number}`, false),
    {
      logger: loggerOf(life, world, onSentAgain),
      stdout: process.stdout,
      clock: world.clockOf(life, () => aheadMs + faults.clockAheadMs),
      observer: (event) => {
        if (life.alive && event.kind === 'objectVisited')
          world.note(`process ${life.number}: ${event.objectId} visited: ${event.status}`);
      },
      createS3: () => (plan.settings.bucket === 'sdk' ? sdkApi(s3, world, life) : s3.api(life)),
      transport: collector.of(life),
      deadLetterFiles: letters.of(life),
      decoder: watchedDecoder(life),
      mapper,
      sharing,
    },
    mode,
  );
}

function configurationOf(
  settings: Settings,
  stateDirectory: string,
  letters: string,
  hasQueue: boolean,
): Configuration {
  const seconds = (milliseconds: number) => `${milliseconds / 1000}s`;
  const configuration = loadConfiguration({
    DATABRICKS_AUDIT_SOURCE: settings.bucket === 'files' ? rootPath : `s3://${bucketName}/audit`,
    DATABRICKS_AUDIT_QUEUE: hasQueue ? 'https://sqs.eu-west-1.amazonaws.com/123456789012/deliveries' : '',
    DATABRICKS_AUDIT_STATE: stateDirectory,
    // The directory below: replicas would have to use a bucket, which is not simulated.
    DATABRICKS_AUDIT_DEAD_LETTERS: stateDirectory.startsWith('dynamodb:') ? 's3://letters/audit' : letters,
    DATABRICKS_AUDIT_POLL_INTERVAL: seconds(settings.pollIntervalMs),
    DATABRICKS_AUDIT_LOOKBACK: `${settings.lookbackDays}d`,
    DATABRICKS_AUDIT_SWEEP_INTERVAL: seconds(settings.sweepIntervalMs),
    // The oracle knows only lines.
    DATABRICKS_AUDIT_SILENCE_AFTER: '0',
    DATABRICKS_AUDIT_BATCH_RECORDS: `${settings.batchRecords}`,
    DATABRICKS_AUDIT_MAX_IN_FLIGHT: `${settings.requestsInFlight}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.test:4318',
    OTEL_EXPORTER_OTLP_TIMEOUT: `${requestTimeoutMs}`,
  });
  return { ...configuration, deadLetters: { kind: 'directory', path: letters, name: letters } };
}

function loggerOf(life: Life, world: World, onSentAgain: (key: string) => void): Logger {
  const note = (fields: object, message: string) => {
    const code = 'err' in fields && isAgentError(fields.err) ? fields.err.code : '';
    // Reported by every listing of an empty bucket.
    if (!life.alive || message === 'Object visited' || code === 'ERR_SOURCE_EMPTY') return;
    world.note(`  log: ${message} ${code}`);
    if (code !== 'ERR_OBJECT_REWRITTEN_AFTER_LOOKBACK') return;
    onSentAgain('object' in fields ? `${fields.object}`.replace(/^(s3:\/\/[^/]+|file:\/\/)\//, '') : '');
  };
  return { debug: note, info: note, warn: note, error: note };
}

/** Decompression is the only work that real threads do: time stands still until they are done. */
function watchedDecoder(life: Life): Decoder {
  const decoder = createDecoder();
  return {
    createLineSplitter: (startOffsetBytes) => decoder.createLineSplitter(startOffsetBytes),
    async *decompress(chunks) {
      const decoded = decoder.decompress(idleWhileWaiting(chunks, life))[Symbol.asyncIterator]();
      try {
        for (;;) {
          life.busy++;
          const next = await decoded.next().finally(() => life.busy--);
          if (next.done) return;
          yield next.value;
        }
      } finally {
        await decoded.return?.();
      }
    },
  };
}

/** The decoder does nothing while it waits for the next bytes. */
function idleWhileWaiting(chunks: AsyncIterable<Uint8Array>, life: Life): AsyncIterable<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        life.busy--;
        try {
          return await source.next();
        } finally {
          life.busy++;
        }
      },
      async return() {
        await source.return?.();
        return { done: true, value: undefined };
      },
    }),
  };
}
