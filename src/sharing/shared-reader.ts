/**
 * Reads a shared state, also while replicas are using it.
 */
import type { DeliveryReader, ObjectRecord } from '../contracts/delivery-reader.ts';
import type { SettledLines } from '../contracts/delivery-state.ts';
import { type DeliverySummary, type PartitionSummary, summariseWorkspaces } from '../contracts/delivery-summary.ts';
import { AgentError } from '../model/agent-error.ts';
import type { ObjectId } from '../model/object.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { NamedItems } from './batch-items.ts';
import { knowsAny } from './known-objects.ts';
import { type Meta, readMeta } from './meta.ts';
import { countItems, readItems } from './object-items.ts';
import { isObjectKey, isPristine, type ObjectRegister, objectKey, parseObjectRegister } from './object-register.ts';
import { PatientStore } from './patient-store.ts';
import { readReplicas } from './replicas.ts';
import type { SharedStore } from './store.ts';
import { Workspaces } from './workspaces.ts';

export interface SharedReaderOptions {
  /** Closed with the reader. */
  readonly store: SharedStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

const never = new AbortController().signal;
/** How often an object that moves is read again until all of it is from one moment. */
const attemptsMax = 5;

export class SharedReader implements DeliveryReader {
  readonly #store: SharedStore;
  readonly #patient: PatientStore;
  readonly #workspaces: Workspaces;
  readonly #meta: Meta;

  constructor(store: SharedStore, patient: PatientStore, workspaces: Workspaces, meta: Meta) {
    this.#store = store;
    this.#patient = patient;
    this.#workspaces = workspaces;
    this.#meta = meta;
  }

  get hashSecret(): Uint8Array {
    return this.#meta.hashSecret;
  }

  get createdOn(): string {
    return this.#meta.createdOn;
  }

  /** Of one moment: the register is the same before and after its items were read. */
  async read(id: ObjectId): Promise<ObjectRecord> {
    const key = objectKey(id);
    let found = await this.#patient.read(key, never);
    for (let attempt = 1; ; attempt++) {
      const register = found && parseObjectRegister(key, found);
      if (register === 'newer') throw explainNewer(id);
      if (register === undefined) return unknownObject;
      const settledLines: SettledLines[] = [];
      const items = await readItems(this.#patient, register, never, (lines) => settledLines.push(lines));
      const after = await this.#patient.read(key, never);
      if (after?.revision === found?.revision || attempt === attemptsMax) {
        const { settledVersion, settledFault, settled, acceptedCount, deadLetteredCount } = register;
        const state = { settledVersion, settledFault, settled, hasLineHashes: items.isComplete };
        return {
          state: isPristine(register) ? undefined : state,
          announcements: items.announced,
          settledLines: items.isComplete ? settledLines : [],
          acceptedCount,
          deadLetteredCount,
        };
      }
      found = after;
    }
  }

  knowsAny(idsBeginWith: readonly string[], signal: AbortSignal): Promise<boolean> {
    return knowsAny(this.#store, idsBeginWith, signal);
  }

  /** Scans all registers. */
  async summarise(): Promise<DeliverySummary> {
    const partitions = new Map<string, Mutable<PartitionSummary>>();
    const held = new Map<string, ObjectId[]>();
    let [announcedBatchCount, announcedLineCount] = [0, 0];
    for await (const register of this.#registers()) {
      if (register.owner !== undefined) held.set(register.owner, [...(held.get(register.owner) ?? []), register.id]);
      if (isPristine(register)) continue;
      addTo(partitions, register);
      const { announcedCount } = new NamedItems(register);
      announcedBatchCount += announcedCount;
      if (announcedCount > 0) {
        const { announced } = await countItems(this.#patient, register, never);
        announcedLineCount += announced.reduce((sum, { occurrences }) => sum + occurrences.length, 0);
      }
    }
    const sorted = [...partitions.values()].sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
    const replicas = await readReplicas(this.#patient, never);
    return {
      createdOn: this.createdOn,
      databaseBytes: undefined,
      announcedBatchCount,
      announcedLineCount,
      partitions: sorted,
      workspaces: summariseWorkspaces(sorted, await this.#workspaces.all(never)),
      replicas: replicas.map(({ id, host, version, startedAtMs, raisedAtMs }) => {
        return { id, host, version, startedAtMs, raisedAtMs, objectIds: held.get(id) ?? [] };
      }),
    };
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  async *#registers(): AsyncIterable<ObjectRegister> {
    for await (const page of this.#store.scan(never)) {
      for (const entry of page) {
        if (!isObjectKey(entry.key)) continue;
        const register = parseObjectRegister(entry.key, entry);
        if (register !== 'newer') yield register;
      }
    }
  }
}

/** Undefined if no replica has used the state yet; the store is then closed. Rejects as the store does, and with ERR_STATE_NEWER or ERR_STATE_INCOMPLETE. */
export async function openSharedReader({
  store,
  clock,
  logger,
}: SharedReaderOptions): Promise<SharedReader | undefined> {
  const newId = () => {
    throw new Error('a reader writes nothing');
  };
  // A command does not wait for a store that is away.
  const patient = new PatientStore(store, { clock, logger, newId, closing: AbortSignal.abort() });
  try {
    const meta = await readMeta(patient, never);
    if (meta !== undefined) return new SharedReader(store, patient, new Workspaces(patient, () => clock.nowMs()), meta);
  } catch (error) {
    await store.close();
    throw error;
  }
  await store.close();
  return undefined;
}

const unknownObject: ObjectRecord = {
  state: undefined,
  announcements: [],
  settledLines: [],
  acceptedCount: 0,
  deadLetteredCount: 0,
};

type Mutable<Value> = { -readonly [Name in keyof Value]: Value[Name] };

function addTo(partitions: Map<string, Mutable<PartitionSummary>>, register: ObjectRegister): void {
  const { workspaceId, date, settledVersion, settledFault } = register;
  const name = nameOf(register);
  const partition = partitions.get(name) ?? {
    workspaceId,
    date,
    objectCount: 0,
    openObjectCount: 0,
    unreadableObjectCount: 0,
    acceptedCount: 0,
    deadLetteredCount: 0,
    unparsedCount: 0,
    newestObjectMs: undefined,
  };
  partition.objectCount++;
  if (settledVersion === undefined) partition.openObjectCount++;
  if (settledFault !== undefined) partition.unreadableObjectCount++;
  partition.acceptedCount += register.acceptedCount;
  partition.deadLetteredCount += register.deadLetteredCount;
  partition.unparsedCount += register.unparsedCount;
  if (settledVersion !== undefined)
    partition.newestObjectMs = Math.max(partition.newestObjectMs ?? 0, settledVersion.modifiedAtMs);
  partitions.set(name, partition);
}

function nameOf({ workspaceId = '', date = '' }: Pick<PartitionSummary, 'workspaceId' | 'date'>): string {
  return `${workspaceId} ${date}`;
}

function explainNewer(id: ObjectId): AgentError {
  return new AgentError('ERR_STATE_NEWER', `A newer version of the agent wrote what the shared state knows of ${id}`, {
    hint: 'Run the command of the newer version.',
  });
}
