/**
 * Compares objects with a backend, and sends again what it is missing. What a backend has just accepted takes a while to become
 * searchable, so the repair asks again until the backend has everything, for about a minute.
 */
import type { ObjectId } from '../../model/object.ts';
import type { BatchLimits } from '../../pipeline/batch-builder.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type BackendParts, compareWithBackend, type ObjectInBackend } from './backend-comparison.ts';
import type { ObjectGroup } from './object-groups.ts';
import type { LineCounts, NamedLine } from './reconciliation.ts';
import { Resending, type SendAgain } from './resending.ts';

export interface BackendAuditOptions extends Omit<BackendParts, 'isWaitingDeadLetter' | 'onMissing'> {
  /** The uids of the records in the dead-letter files now. */
  readonly readDeadLetterUids: () => Promise<ReadonlySet<string>>;
  /** Adds to the counts of the group's workspace and date. */
  readonly addCounts: (group: ObjectGroup, counts: Partial<LineCounts>) => void;
  /** Called if the objects of a group could not be read. Throws if the comparison cannot go on. */
  readonly onUnreadable: (group: ObjectGroup, error: unknown) => void;
  readonly clock: Clock;
}

/** The groups of the given objects. */
export type GroupsOf = (only: ReadonlySet<ObjectId>) => AsyncIterable<ObjectGroup>;

const confirmationDelaysMs = [250, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
/** For records that this run itself has shipped. */
const settlingMs = 10_000;

export class BackendAudit {
  readonly #options: BackendAuditOptions;
  /** The objects of which the backend misses lines. */
  readonly #incomplete = new Map<ObjectId, ObjectInBackend>();
  #deadLetterUids: ReadonlySet<string> | undefined;
  repeatedCount = 0;

  constructor(options: BackendAuditOptions) {
    this.#options = options;
  }

  get firstMissing(): NamedLine | undefined {
    const [first] = this.#incomplete.values();
    return first && { object: first.object.origin.id, uid: first.firstMissingUid ?? '' };
  }

  async compare(group: ObjectGroup, signal: AbortSignal): Promise<void> {
    this.repeatedCount += await this.#ask(group, undefined, signal);
  }

  /** @param hasShipped whether this run has shipped lines, which the backend may not show yet. */
  async repair(
    groupsOf: GroupsOf,
    { sendAgain, limits, hasShipped }: { sendAgain: SendAgain; limits: BatchLimits; hasShipped: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#incomplete.size === 0) return;
    if (hasShipped) await this.#options.clock.sleep(settlingMs, signal);
    const resending = new Resending(sendAgain, limits);
    for await (const group of groupsOf(new Set(this.#incomplete.keys()))) {
      await this.#ask(group, resending, signal);
      this.#options.addCounts(group, await resending.flush());
    }
    this.#deadLetterUids = undefined; // The collector may have rejected some of them.
    for (const delayMs of confirmationDelaysMs) {
      if (this.#incomplete.size === 0) return;
      await this.#options.clock.sleep(delayMs, signal);
      for await (const group of groupsOf(new Set(this.#incomplete.keys()))) await this.#ask(group, undefined, signal);
    }
  }

  /** @returns the number of records that the backend holds repeatedly. */
  async #ask(group: ObjectGroup, resending: Resending | undefined, signal: AbortSignal): Promise<number> {
    this.#deadLetterUids ??= await this.#options.readDeadLetterUids();
    const uids = this.#deadLetterUids;
    const parts: BackendParts = {
      ...this.#options,
      isWaitingDeadLetter: (uid) => uids.has(uid),
      onMissing: resending && ((lines) => resending.add(lines)),
    };
    try {
      const { objects, repeatedCount } = await compareWithBackend(group.objects, parts, signal);
      for (const each of objects) this.#take(each, group);
      return repeatedCount;
    } catch (error) {
      this.#options.onUnreadable(group, error);
      return 0;
    }
  }

  /** Replaces what was found about the object before. */
  #take(found: ObjectInBackend, group: ObjectGroup): void {
    const { id } = found.object.origin;
    const before = this.#incomplete.get(id);
    this.#options.addCounts(group, {
      expectedInBackendCount: found.expectedCount - (before?.expectedCount ?? 0),
      missingInBackendCount: found.missingCount - (before?.missingCount ?? 0),
      undeliveredCount: found.undeliveredCount - (before?.undeliveredCount ?? 0),
    });
    if (found.missingCount > 0) this.#incomplete.set(id, found);
    else this.#incomplete.delete(id);
  }
}
