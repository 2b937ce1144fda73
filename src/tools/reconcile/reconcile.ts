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
import { completeListingCodes, type DateRange, type Source, type WorkspaceListing } from '../../contracts/source.ts';
import { createDecoder } from '../../decoders/index.ts';
import { listDeadLetterFiles, readDeadLetterLines } from '../../export/index.ts';
import { AgentError, isAgentError } from '../../model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../../model/object.ts';
import { otlpLogs, uidOf } from '../../model/otlp-json.ts';
import { locationText } from '../../model/state-location.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { Semaphore } from '../../runtime/semaphore.ts';
import { isDue, startDate } from '../../schedule/start-date.ts';
import { createSources } from '../../sources/index.ts';
import { compareWithBackend } from './backend-comparison.ts';
import { compareObject, type ObjectComparison } from './object-comparison.ts';
import {
  addTo,
  type NamedLine,
  noLines,
  type ObjectDifference,
  type Partition,
  type Reconciliation,
} from './reconciliation.ts';

export interface ReconcileOptions {
  readonly dates: DateRange;
  /** `loki=<url>` or `elasticsearch=<url>`: also compares with the records in this backend. */
  readonly against?: string | undefined;
  /** Ships the missing lines of an object, which is then compared again. */
  readonly repair?: ((object: DeliveredObject) => Promise<void>) | undefined;
  /** Called after each object, with the number of lines read so far. */
  readonly onCompared?: ((object: DeliveredObject, lineCount: number) => void) | undefined;
  readonly clock?: Clock | undefined;
}

const objectsAtOnce = 4;
const differencesListedMax = 1_000;
/** Additional passes over objects that were overwritten while they were read. */
const extraPassesMax = 2;

/**
 * @throws AgentError ERR_STATE_NOT_FOUND, ERR_STATE_DAMAGED, ERR_STATE_NEWER, ERR_STATE_OLDER, ERR_BACKEND_READ,
 * ERR_DEAD_LETTER_READ or ERR_CONFIGURATION.
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

/** Objects of one workspace and date, up to `objectsPerGroupMax`. */
interface Group {
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
  readonly objects: DeliveredObject[];
}

const objectsPerGroupMax = 1_000;

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
  #deadLetterUids: ReadonlySet<string> = new Set();

  readonly #partitions = new Map<string, MutablePartition>();
  readonly #differences: ObjectDifference[] = [];
  #differenceCount = 0;
  #lineCount = 0;
  readonly #unreadable = new Map<string, string>();
  readonly #changing = new Set<ObjectId>();
  #repeatedInBackendCount = 0;
  #firstMissingInBackend: NamedLine | undefined;

  constructor(configuration: Configuration, state: DeliveryReader, options: ReconcileOptions, signal: AbortSignal) {
    this.#configuration = configuration;
    this.#options = options;
    this.#signal = signal;
    this.#clock = options.clock ?? systemClock;
    const { against } = options;
    this.#backend =
      against === undefined ? undefined : createBackend(against, configuration.againstHeaders, this.#clock);
    this.#mapperFor = createMappers(configuration);
    this.#state = state;
    this.#sources = createSources(configuration.sources, { stillAfterPolls: 0 });
  }

  async compareAll(): Promise<Reconciliation> {
    if (this.#backend !== undefined) this.#deadLetterUids = await readUids(this.#configuration.deadLetterDirectory);
    for await (const group of this.groups()) await this.#compareGroup(group);
    for (let pass = 1; pass <= extraPassesMax && this.#changing.size > 0; pass++) {
      const changed = new Set(this.#changing);
      this.#changing.clear();
      for await (const group of this.groups(changed)) await this.#compareGroup(group);
    }
    return this.#result();
  }

  async close(): Promise<void> {
    await this.#state.close();
    await Promise.all(this.#sources.map((source) => source.close()));
  }

  /** @param only restricts the groups to these objects. */
  async *groups(only?: ReadonlySet<ObjectId>): AsyncGenerator<Group, void, undefined> {
    for (const source of this.#sources) {
      const onFault = (fault: AgentError) => {
        if (!completeListingCodes.has(fault.code)) this.#unreadable.set(source.name, fault.message);
      };
      const request = { dates: this.#dates(), signal: this.#signal, onFault };
      try {
        for await (const workspace of source.list(request)) yield* this.#groupsOf(workspace, only);
      } catch (error) {
        this.#recordUnreadable(source.name, error);
      }
    }
  }

  async *#groupsOf(
    workspace: WorkspaceListing,
    only: ReadonlySet<ObjectId> | undefined,
  ): AsyncGenerator<Group, void, undefined> {
    const { workspaceId } = workspace;
    let group: Group | undefined;
    try {
      for await (const object of objectsOf(workspace)) {
        const { date } = object.origin;
        if (!isDue(object, this.#startDate()) || only?.has(object.origin.id) === false) continue;
        if (group !== undefined && (group.date !== date || group.objects.length >= objectsPerGroupMax)) {
          yield group;
          group = undefined;
        }
        group ??= { workspaceId, date, objects: [] };
        group.objects.push(object);
      }
    } catch (error) {
      this.#recordUnreadable(`workspace ${workspaceId ?? ''}`, error);
    }
    if (group !== undefined) yield group;
  }

  #startDate(): string | undefined {
    return startDate(this.#configuration.start, this.#state);
  }

  #dates(): DateRange {
    const { from, before } = this.#options.dates;
    const first = this.#startDate();
    return { from: from === undefined || (first !== undefined && first > from) ? first : from, before };
  }

  async #compareGroup(group: Group): Promise<void> {
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
    if (this.#backend !== undefined) await this.#askBackend(this.#backend, group, compared.flat());
  }

  /** Returns true if the object could be read. */
  async #compare(object: DeliveredObject, group: Group): Promise<boolean> {
    try {
      const comparison = await this.#compareOnce(object);
      const openCount = comparison.missingCount + comparison.unverifiedCount;
      if (openCount === 0 || this.#options.repair === undefined) {
        this.#add(object, group, comparison, 0);
      } else {
        await this.#options.repair(object);
        const repaired = await this.#compareOnce(object);
        this.#add(object, group, repaired, openCount - repaired.missingCount - repaired.unverifiedCount);
      }
      return true;
    } catch (error) {
      if (isAgentError(error, 'ERR_OBJECT_CHANGED')) this.#changing.add(object.origin.id);
      else if (!isAgentError(error, 'ERR_OBJECT_GONE')) this.#recordUnreadable(object.origin.id, error);
      return false;
    }
  }

  #compareOnce(object: DeliveredObject): Promise<ObjectComparison> {
    return compareObject(object, { state: this.#state, decoder: this.#decoder }, this.#signal);
  }

  #add(object: DeliveredObject, group: Group, comparison: ObjectComparison, repairedCount: number): void {
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
  #wasJustDelivered({ version }: DeliveredObject): boolean {
    const graceMs = Math.max(
      graceMsMin,
      2 * Math.max(...this.#configuration.sources.map(({ pollIntervalMs }) => pollIntervalMs)),
    );
    return version.modifiedAtMs > this.#clock.nowMs() - graceMs;
  }

  async #askBackend(backend: Backend, group: Group, objects: readonly DeliveredObject[]): Promise<void> {
    const isDeadLettered = (uid: string) => this.#deadLetterUids.has(uid);
    const parts = { backend, mapperFor: this.#mapperFor, state: this.#state, decoder: this.#decoder, isDeadLettered };
    try {
      const finding = await compareWithBackend(objects, parts, this.#signal);
      addTo(this.#partition(group), {
        expectedInBackendCount: finding.expectedCount,
        missingInBackendCount: finding.missingCount,
      });
      this.#repeatedInBackendCount += finding.repeatedCount;
      const first = finding.firstMissing;
      if (first !== undefined) this.#firstMissingInBackend ??= { object: first.object.origin.id, uid: first.uid };
    } catch (error) {
      if (!isAgentError(error) || error.code === 'ERR_BACKEND_READ') throw error;
      this.#recordUnreadable(`${group.workspaceId ?? ''} ${group.date ?? ''}`.trim(), error);
    }
  }

  #recordUnreadable(name: string, error: unknown): void {
    this.#signal.throwIfAborted();
    if (!isAgentError(error) || error.code === 'ERR_STATE_DAMAGED') throw error;
    this.#unreadable.set(name, error.message);
  }

  #partition({ workspaceId, date }: Group): MutablePartition {
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
    const backend = this.#backend && {
      name: this.#backend.name,
      repeatedCount: this.#repeatedInBackendCount,
      firstMissing: this.#firstMissingInBackend,
    };
    return {
      isWhole:
        totals.objectCount > 0 &&
        missingCount + unverifiedCount + missingInBackendCount === 0 &&
        this.#unreadable.size === 0,
      partitions: [...this.#partitions.values()].sort(byWorkspaceAndDate),
      totals,
      differences: this.#differences,
      differenceCount: this.#differenceCount,
      unreadable: [...this.#unreadable].map(([name, reason]) => ({ name, reason })),
      changing: [...this.#changing],
      backend,
    };
  }
}

type MutablePartition = { -readonly [Name in keyof Partition]: Partition[Name] };

/** Objects delivered within this time do not count as missing. */
const graceMsMin = 5 * 60_000;

async function* objectsOf({ pages }: WorkspaceListing): AsyncGenerator<DeliveredObject, void, undefined> {
  for await (const page of pages()) for (const { object } of page) yield object;
}

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

async function readUids(deadLetterDirectory: string): Promise<ReadonlySet<string>> {
  const uids = new Set<string>();
  for (const path of await listDeadLetterFiles(deadLetterDirectory)) {
    for await (const { deadLetter } of readDeadLetterLines(path)) {
      if (deadLetter !== undefined) uids.add(uidOf(deadLetter.record) ?? '');
    }
  }
  return uids;
}

function recordUid(jsonLine: string): string {
  return uidOf(otlpLogs.parse(JSON.parse(jsonLine))) ?? '';
}

function byWorkspaceAndDate(one: Partition, other: Partition): number {
  const key = ({ workspaceId = '', date = '' }: Partition) => `${workspaceId} ${date}`;
  return key(one) < key(other) ? -1 : 1;
}
