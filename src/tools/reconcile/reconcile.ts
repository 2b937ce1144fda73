/**
 * Compares the bucket with what was accepted or dead-lettered according to the state, line by line, to prove that nothing is
 * missing. Read-only, and safe alongside a running agent; the caller does the repairing.
 */
import { createMappers, type MapperFor } from '../../agent/mappers.ts';
import { openConfiguredReader } from '../../agent/state.ts';
import { createBackend } from '../../backends/index.ts';
import type { Configuration } from '../../config/index.ts';
import type { Backend } from '../../contracts/backend.ts';
import type { DeliveryReader } from '../../contracts/delivery-reader.ts';
import type { DateRange, Source } from '../../contracts/source.ts';
import { createDecoder } from '../../decoders/index.ts';
import { type DeadLetterLocation, openDeadLetterStore } from '../../export/index.ts';
import { AgentError, adviceOf, isAgentError } from '../../model/agent-error.ts';
import type { IdentifiedLine } from '../../model/line.ts';
import type { DeliveredObject, ObjectId } from '../../model/object.ts';
import { otlpLogs, uidOf } from '../../model/otlp-json.ts';
import { locationText } from '../../model/state-location.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { Semaphore } from '../../runtime/semaphore.ts';
import { startDate } from '../../schedule/start-date.ts';
import { createSources } from '../../sources/index.ts';
import { BackendAudit } from './backend-audit.ts';
import { compareObject, type ObjectComparison } from './object-comparison.ts';
import { type ObjectGroup, objectGroups } from './object-groups.ts';
import {
  accountedFor,
  addTo,
  noLines,
  type ObjectDifference,
  type Partition,
  type Problem,
  type Reconciliation,
  type SourceNotCompared,
} from './reconciliation.ts';
import type { SendAgain } from './resending.ts';

export interface ReconcileOptions {
  readonly dates: DateRange;
  /** Also compares with the records in this backend. See `backendAt`. */
  readonly backend?: Backend | undefined;
  /** Repairs what is missing; by default, differences are only reported. */
  readonly repair?: Repair | undefined;
  /** Called after each object, with the number of lines read so far. */
  readonly onCompared?: ((object: DeliveredObject, lineCount: number) => void) | undefined;
  readonly clock?: Clock | undefined;
}

export interface Repair {
  /** Ships the lines of an object that the state does not know. The object is then compared again. */
  readonly shipMissing: (object: DeliveredObject) => Promise<void>;
  /** Sends accepted lines again that the backend does not have. */
  readonly sendAgain: SendAgain;
}

/**
 * @param against `loki=<url>` or `elasticsearch=<url>[/<index>]`.
 * @throws AgentError ERR_CONFIGURATION
 */
export function backendAt(
  against: string,
  { againstHeaders }: Pick<Configuration, 'againstHeaders'>,
  clock: Clock = systemClock,
): Backend {
  return createBackend(against, againstHeaders, clock);
}

const objectsAtOnce = 4;
const differencesListedMax = 1_000;
/** Additional passes over objects that were overwritten or deleted before they were read. */
const extraPassesMax = 2;

/**
 * @throws AgentError ERR_STATE_NOT_FOUND, ERR_STATE_DAMAGED, ERR_STATE_NEWER, ERR_STATE_OLDER, ERR_BACKEND_READ
 * or ERR_DEAD_LETTER_READ.
 */
export async function reconcile(
  configuration: Configuration,
  options: ReconcileOptions,
  signal: AbortSignal,
): Promise<Reconciliation> {
  const run = await openReconciler(configuration, options, signal);
  try {
    return await run.compareAll();
  } finally {
    await run.close();
  }
}

/** The number of bytes that a reconciliation has to read. */
export async function reconcileBytes(
  configuration: Configuration,
  options: Pick<ReconcileOptions, 'dates'>,
  signal: AbortSignal,
): Promise<number> {
  const run = await openReconciler(configuration, options, signal);
  try {
    let sizeBytes = 0;
    for await (const { objects } of run.groups()) {
      for (const { version } of objects) sizeBytes += version.sizeBytes;
    }
    return sizeBytes;
  } finally {
    await run.close();
  }
}

class Reconciler {
  readonly #configuration: Configuration;
  readonly #options: ReconcileOptions;
  readonly #signal: AbortSignal;
  readonly #state: DeliveryReader;
  readonly #sources: readonly Source[];
  readonly #mapperFor: MapperFor;
  readonly #decoder = createDecoder();
  readonly #clock: Clock;
  readonly #backend: Backend | undefined;
  readonly #audit: BackendAudit | undefined;
  #deadLetterUids: Promise<ReadonlySet<string>> | undefined;

  readonly #partitions = new Map<string, MutablePartition>();
  readonly #differences: ObjectDifference[] = [];
  #differenceCount = 0;
  #lineCount = 0;
  /** By name and reason. A source can have several, and an object one for the state and one for the backend. */
  readonly #unreadable = new Map<string, Problem>();
  readonly #notCompared: SourceNotCompared[] = [];
  /** Overwritten or gone when they were to be read. */
  readonly #changing = new Set<ObjectId>();
  readonly #deleted = new Set<ObjectId>();

  constructor(configuration: Configuration, state: DeliveryReader, options: ReconcileOptions, signal: AbortSignal) {
    this.#configuration = configuration;
    this.#options = options;
    this.#signal = signal;
    this.#clock = options.clock ?? systemClock;
    this.#backend = options.backend;
    this.#mapperFor = createMappers(configuration);
    this.#state = state;
    this.#sources = createSources(configuration.sources, { stillAfterPolls: 0 });
    this.#audit = this.#backend && this.#auditOf(this.#backend);
  }

  async compareAll(): Promise<Reconciliation> {
    for await (const group of this.groups()) await this.#compareGroup(group);
    for (let pass = 1; pass <= extraPassesMax && this.#changing.size > 0; pass++) await this.#compareChanged();
    await this.#repairBackend();
    // What ended early because of the signal was not compared.
    this.#signal.throwIfAborted();
    return this.#result();
  }

  async #compareChanged(): Promise<void> {
    const changed = new Set(this.#changing);
    this.#changing.clear();
    const unlisted = new Set(changed);
    let isListingWhole = true;
    const onFault = () => {
      isListingWhole = false;
    };
    for await (const group of this.groups(changed, onFault)) {
      for (const { origin } of group.objects) unlisted.delete(origin.id);
      await this.#compareGroup(group);
    }
    for (const id of unlisted) (isListingWhole ? this.#deleted : this.#changing).add(id);
  }

  #auditOf(backend: Backend): BackendAudit {
    return new BackendAudit({
      backend,
      mapperFor: this.#mapperFor,
      state: this.#state,
      decoder: this.#decoder,
      clock: this.#clock,
      readDeadLetterUids: () => readUids(this.#configuration.deadLetters),
      addCounts: (group, counts) => addTo(this.#partition(group), counts),
      onUnreadable: (group, error) => {
        if (isAgentError(error, 'ERR_BACKEND_READ')) throw error;
        this.#recordUnreadable(`${group.workspaceId ?? ''} ${group.date ?? ''}`.trim(), error);
      },
    });
  }

  async #repairBackend(): Promise<void> {
    const { repair } = this.#options;
    if (repair === undefined) return;
    const hasShipped = this.#partitions.values().some(({ repairedCount }) => repairedCount > 0);
    const resending = { sendAgain: repair.sendAgain, limits: this.#configuration.batchLimits, hasShipped };
    await this.#audit?.repair((only) => this.groups(only), resending, this.#signal);
  }

  async close(): Promise<void> {
    await this.#state.close();
    await Promise.all(this.#sources.map((source) => source.close()));
  }

  /**
   * @param only restricts the groups to these objects.
   * @param onFault called if the listing is incomplete.
   */
  groups(only?: ReadonlySet<ObjectId>, onFault?: () => void): AsyncGenerator<ObjectGroup, void, undefined> {
    const listing = {
      dates: this.#options.dates,
      startDate: startDate(this.#configuration.start, this.#state),
      onUnreadable: (name: string, error: unknown) => {
        this.#recordUnreadable(name, error);
        onFault?.();
      },
      onNotCompared: (source: SourceNotCompared) => void this.#notCompared.push(source),
      knowsAny: (idsBeginWith: readonly string[]) => this.#state.knowsAny(idsBeginWith, this.#signal),
      signal: this.#signal,
    };
    return objectGroups(this.#sources, listing, only);
  }

  async #compareGroup(group: ObjectGroup): Promise<void> {
    const slots = new Semaphore(objectsAtOnce);
    const compared = await Promise.all(
      group.objects.map(async (object) => {
        const release = await slots.acquire(this.#signal);
        try {
          return (await this.#compare(object, group)) ? [object] : [];
        } finally {
          release();
          this.#options.onCompared?.(object, this.#lineCount);
        }
      }),
    );
    await this.#audit?.compare({ ...group, objects: compared.flat() }, this.#signal);
  }

  /** Returns true if the object could be read. */
  async #compare(object: DeliveredObject, group: ObjectGroup): Promise<boolean> {
    try {
      const comparison = await this.#compareOnce(object);
      const openCount = comparison.missingCount + comparison.unverifiedCount;
      if (openCount === 0 || this.#options.repair === undefined) {
        this.#add(object, group, comparison, 0);
      } else {
        await this.#options.repair.shipMissing(object);
        const repaired = await this.#compareOnce(object);
        this.#add(object, group, repaired, openCount - repaired.missingCount - repaired.unverifiedCount);
      }
      return true;
    } catch (error) {
      // The next pass lists what is gone again: it may have been replaced.
      if (isAgentError(error, 'ERR_OBJECT_CHANGED', 'ERR_OBJECT_GONE')) this.#changing.add(object.origin.id);
      else this.#recordUnreadable(object.origin.id, error);
      return false;
    }
  }

  async #compareOnce(object: DeliveredObject): Promise<ObjectComparison> {
    const parts = { state: this.#state, decoder: this.#decoder };
    // With a backend, the audit finds out which lines were not delivered.
    if (this.#backend !== undefined) return await compareObject(object, parts, this.#signal);
    this.#deadLetterUids ??= readUids(this.#configuration.deadLetters);
    const uids = await this.#deadLetterUids;
    const mapper = this.#mapperFor(object.origin.mapping);
    const isWaitingDeadLetter = (line: IdentifiedLine) => uids.has(recordUid(mapper.toJsonLine(line)));
    return await compareObject(object, { ...parts, isWaitingDeadLetter }, this.#signal);
  }

  #add(object: DeliveredObject, group: ObjectGroup, comparison: ObjectComparison, repairedCount: number): void {
    const { damage, firstMissing, settledCount: _, ...counts } = comparison;
    this.#lineCount += counts.lineCount;
    if (damage !== undefined) this.#recordUnreadable(object.origin.id, damage);
    const isWaiting = this.#options.repair === undefined && this.#wasJustDelivered(object);
    const waitingCount = isWaiting ? counts.missingCount : 0;
    const missingCount = counts.missingCount - waitingCount;
    addTo(this.#partition(group), { ...counts, objectCount: 1, missingCount, waitingCount, repairedCount });
    if (missingCount + counts.unverifiedCount === 0) return;
    this.#differenceCount++;
    if (this.#differences.length >= differencesListedMax) return;
    const { id } = object.origin;
    const first =
      firstMissing === undefined
        ? undefined
        : {
            object: id,
            lineNumber: firstMissing.lineNumber,
            uid: recordUid(this.#mapperFor(object.origin.mapping).toJsonLine(firstMissing.line)),
          };
    this.#differences.push({
      object: id,
      missingCount,
      unverifiedCount: counts.unverifiedCount,
      firstMissing: first,
    });
  }

  /** A running agent ships such an object after its next listing. */
  #wasJustDelivered({ version, deliveredAtMs = version.modifiedAtMs }: DeliveredObject): boolean {
    const graceMs = Math.max(
      graceMsMin,
      2 * Math.max(...this.#configuration.sources.map(({ pollIntervalMs }) => pollIntervalMs)),
    );
    return deliveredAtMs > this.#clock.nowMs() - graceMs;
  }

  #recordUnreadable(name: string, error: unknown): void {
    this.#signal.throwIfAborted();
    if (!isAgentError(error) || error.code === 'ERR_STATE_DAMAGED') throw error;
    this.#unreadable.set(JSON.stringify([name, error.message]), { name, reason: error.message, hint: adviceOf(error) });
  }

  #partition({ workspaceId, date }: ObjectGroup): MutablePartition {
    const key = JSON.stringify([workspaceId, date]);
    const known = this.#partitions.get(key);
    if (known !== undefined) return known;
    const partition = { workspaceId, date, ...noLines() };
    this.#partitions.set(key, partition);
    return partition;
  }

  #result(): Reconciliation {
    const totals = noLines();
    for (const { workspaceId: _, date: __, ...counts } of this.#partitions.values()) addTo(totals, counts);
    const { missingCount, unverifiedCount, missingInBackendCount = 0 } = totals;
    const isRemoved = this.#notCompared.length > 0 && this.#notCompared.every(({ status }) => status === 'removed');
    const backend = this.#backend && {
      name: this.#backend.name,
      repeatedCount: this.#audit?.repeatedCount ?? 0,
      firstMissing: this.#audit?.firstMissing,
    };
    return {
      isWhole:
        (totals.objectCount > 0 || isRemoved) &&
        this.#notCompared.every(({ status }) => status !== 'empty') &&
        (totals.waitingCount === 0 || accountedFor(totals) > 0) &&
        missingCount + unverifiedCount + missingInBackendCount === 0 &&
        this.#unreadable.size + this.#changing.size === 0,
      partitions: [...this.#partitions.values()].sort(byWorkspaceAndDate),
      totals,
      differences: this.#differences,
      differenceCount: this.#differenceCount,
      unreadable: [...this.#unreadable.values()],
      notCompared: this.#notCompared,
      changing: [...this.#changing],
      deleted: [...this.#deleted],
      backend,
    };
  }
}

type MutablePartition = { -readonly [Name in keyof Partition]: Partition[Name] };

/** Objects delivered within this time do not count as missing. */
const graceMsMin = 5 * 60_000;

async function openReconciler(
  configuration: Configuration,
  options: ReconcileOptions,
  signal: AbortSignal,
): Promise<Reconciler> {
  const state = await openConfiguredReader(configuration);
  if (state !== undefined) return new Reconciler(configuration, state, options, signal);
  throw new AgentError(
    'ERR_STATE_NOT_FOUND',
    `There is no state in ${locationText(configuration.state)}, so nothing was shipped with it`,
    {
      hint: 'Set DATABRICKS_AUDIT_STATE as for the agent.',
    },
  );
}

async function readUids(location: DeadLetterLocation): Promise<ReadonlySet<string>> {
  const uids = new Set<string>();
  const store = openDeadLetterStore(location);
  try {
    for (const path of await store.list()) {
      for await (const { deadLetter } of store.readLines(path)) {
        if (deadLetter !== undefined) uids.add(uidOf(deadLetter.record) ?? '');
      }
    }
    return uids;
  } finally {
    await store.close();
  }
}

function recordUid(jsonLine: string): string {
  return uidOf(otlpLogs.parse(JSON.parse(jsonLine))) ?? '';
}

function byWorkspaceAndDate(one: Partition, other: Partition): number {
  const key = ({ workspaceId = '', date = '' }: Partition) => `${workspaceId} ${date}`;
  return key(one) < key(other) ? -1 : 1;
}
