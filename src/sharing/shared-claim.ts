/**
 * A claim of one object in a shared state. Its changes are made to a draft of the register; a chain of writes makes the draft
 * durable, one write at a time, and each takes with it what has changed in the meantime.
 *
 * Each write expects the revision of the one before. So from the moment at which somebody else has claimed the object, nothing
 * that this claim writes has an effect.
 */
import assert from 'node:assert';
import {
  type Announcement,
  type AnnouncementId,
  type Claim,
  type LineHashes,
  type ObjectState,
  type Position,
  type SettledLines,
  type Settlement,
  settledLinesOf,
} from '../contracts/delivery-state.ts';
import type { SettledFault } from '../contracts/settled-fault.ts';
import { reached } from '../contracts/step.ts';
import type { ObjectVersion } from '../model/object.ts';
import type { Clock } from '../runtime/clock.ts';
import { untilAborted } from '../runtime/until-aborted.ts';
import { sortKeyOf, toContents, toSettledContents, without } from './batch-items.ts';
import { newObjectRegister, type ObjectRegister, objectKey, toText, type VisitItems } from './object-register.ts';
import type { PatientStore } from './patient-store.ts';
import { registerFormat } from './register-format.ts';
import type { BatchItem } from './store.ts';

/** What was read when the claim was granted, and what can be read as long as it is held. */
export interface ClaimedObject {
  readonly known: ObjectState | undefined;
  readonly announcements: readonly Announcement[];
  readonly settledLines: (lost: AbortSignal) => AsyncIterable<SettledLines>;
}

export interface SharedClaimParts {
  readonly store: PatientStore;
  readonly clock: Clock;
  /** Eight characters that no other visit has. */
  readonly newToken: () => string;
  /** When batch items written now may be deleted. */
  readonly expiresAtMs: () => number;
  /** Aborts when the state is being closed: writes are no longer repeated. */
  readonly closing: AbortSignal;
  /** Aborts when this process gives up what it has claimed. */
  readonly aside: AbortSignal;
  /** True if nobody can take this process for dead. */
  readonly isRenewed: () => boolean;
  /** Makes the newest event of the object's workspace known, before the object is finished or released. */
  readonly recordEvent: (workspaceId: string | undefined, eventMs: number, signal: AbortSignal) => Promise<void>;
  readonly onLost: () => void;
  readonly onRelease: () => void;
}

/** How long a settlement is held back, so that it shares a write with the next announcement. */
const laterWriteMs = 10;

/** Whoever waits for a write may give up; the write itself goes on. */
const never = new AbortController().signal;

interface OpenBatch {
  readonly id: AnnouncementId;
  readonly itemCount: number;
  readonly lines: SettledLines;
}

export class SharedClaim implements Claim {
  readonly known: ObjectState | undefined;
  readonly announcements: readonly Announcement[];
  readonly lost: AbortSignal;
  readonly #settledLines: ClaimedObject['settledLines'];
  readonly #lost = new AbortController();
  readonly #parts: SharedClaimParts;
  readonly #owner: string;
  #draft: ObjectRegister;
  #revision: string;
  /** Items of this visit; undefined until the first one. */
  #items: VisitItems | undefined;
  /** Batches that this claim announced and that are not settled, in object order. */
  readonly #open: OpenBatch[] = [];
  #announcementCount = 0;
  readonly #puts: BatchItem[] = [];
  /** Changes of the draft so far, and how many of them are durable. */
  #changeCount = 0;
  #durableCount = 0;
  #isFinished = false;
  #writing: Promise<void> | undefined;
  #laterWrite: Promise<void> | undefined;
  #release: Promise<void> | undefined;

  /** @param register with this process as its owner, as it was written. */
  constructor(
    register: ObjectRegister,
    revision: string,
    owner: string,
    found: ClaimedObject,
    parts: SharedClaimParts,
  ) {
    this.known = found.known;
    this.announcements = found.announcements;
    this.#settledLines = found.settledLines;
    this.#draft = register;
    this.#revision = revision;
    this.#owner = owner;
    this.#parts = parts;
    this.lost = AbortSignal.any([this.#lost.signal, parts.aside]);
  }

  async *settledLineHashes(): AsyncIterable<LineHashes> {
    for await (const { lineHashes } of this.#settledLines(this.lost)) yield lineHashes;
  }

  announce(announcement: Announcement): AnnouncementId {
    const id = ++this.#announcementCount as AnnouncementId;
    if (this.#lost.signal.aborted) return id;
    const items = this.#ownItems();
    const contents = toContents(announcement);
    for (const content of contents) this.#put(sortKeyOf('announced', items, items.admittedCount++), content);
    const { observedAtMs, lineHashes } = announcement;
    this.#open.push({ id, itemCount: contents.length, lines: { observedAtMs, lineHashes: lineHashes.slice() } });
    this.#changed();
    return id;
  }

  settle(settlement: Settlement): void {
    if (this.#lost.signal.aborted) return;
    const { announcementId, position, acceptedCount, deadLetteredCount, unparsedCount, newestEventMs } = settlement;
    const announced = announcementId === undefined ? undefined : this.#closeBatch(announcementId);
    for (const lines of linesBeyond(settlement, announced)) this.#putExtra(lines);
    const draft = this.#draft;
    if (position !== undefined) draft.settled = { ...position, digest: position.digest.slice() };
    draft.acceptedCount += acceptedCount;
    draft.deadLetteredCount += deadLetteredCount;
    draft.unparsedCount += unparsedCount ?? 0;
    draft.takeoverCount = 0;
    if (newestEventMs !== undefined)
      draft.newestEventMs = Math.max(draft.newestEventMs ?? newestEventMs, newestEventMs);
    this.#changed();
    this.#writeLater();
  }

  finish(version: ObjectVersion, end: Position, stillAnnounced: readonly Announcement[], fault?: SettledFault): void {
    if (this.#lost.signal.aborted) return;
    const draft = this.#draft;
    draft.settledVersion = version;
    draft.settledFault = fault;
    draft.settled = { ...end, digest: end.digest.slice() };
    draft.isReopened = false;
    draft.takeoverCount = 0;
    for (const visit of draft.visits) visit.admittedCount = visit.settledCount;
    draft.visits = draft.visits.filter(
      (visit) => draft.hasLineHashes && (visit.settledCount > visit.mergedCount || visit.extraCount > 0),
    );
    // Items keep their numbers, so whatever follows is counted anew.
    this.#items = undefined;
    this.#open.length = 0;
    if (stillAnnounced.length > 0) {
      const items = this.#ownItems();
      for (const content of stillAnnounced.flatMap(toContents))
        this.#put(sortKeyOf('announced', items, items.admittedCount++), content);
      this.#items = undefined;
    }
    this.#changed();
    // The last write of most visits: it ends the claim as well.
    this.#isFinished = true;
    draft.owner = undefined;
  }

  forget(): void {
    if (this.#lost.signal.aborted) return;
    const { epoch, newestEventMs } = this.#draft;
    this.#draft = { ...newObjectRegister(this.#draft), epoch, newestEventMs };
    this.#items = undefined;
    this.#open.length = 0;
    this.#changed();
  }

  async flush(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#lost.signal.throwIfAborted();
    const upTo = this.#changeCount;
    const either = AbortSignal.any([signal, this.#lost.signal]);
    while (this.#durableCount < upTo) await untilAborted(this.#write(), either);
  }

  async confirm(signal: AbortSignal): Promise<void> {
    this.#lost.signal.throwIfAborted();
    const { store, isRenewed } = this.#parts;
    if (isRenewed() || this.#isFinished) return;
    const either = AbortSignal.any([signal, this.#lost.signal]);
    const found = await store.read(objectKey(this.#draft.id), either);
    // A write of this claim may be under way, so the revision says nothing.
    if (!isOwnedBy(found?.value, this.#owner, this.#draft.epoch)) this.#lose();
    this.#lost.signal.throwIfAborted();
  }

  /** Waits for the last write, unless the store is away: then it is written in the background, as long as the state is open. */
  async release(): Promise<void> {
    this.#release ??= this.#writeRest();
    await this.#parts.store.untilWaiting(this.#release);
  }

  async #writeRest(): Promise<void> {
    const draft = this.#draft;
    if (!this.#isFinished || this.#changeCount > this.#durableCount) this.#changed();
    draft.owner = undefined;
    draft.takeoverCount = 0;
    try {
      while (this.#durableCount < this.#changeCount && !this.#lost.signal.aborted) await this.#write();
    } catch {
      // The state is being closed, or cannot be used any more. Others take the object over when this process is gone.
    }
    reached('released', draft.id);
    this.#parts.onRelease();
  }

  #ownItems(): VisitItems {
    if (this.#items === undefined) {
      const token = this.#parts.newToken();
      const { epoch } = this.#draft;
      this.#items = { epoch, token, mergedCount: 0, settledCount: 0, admittedCount: 0, extraCount: 0 };
      this.#draft.visits.push(this.#items);
    }
    return this.#items;
  }

  /** @returns the lines of the batch, which are settled from now on. */
  #closeBatch(announcementId: AnnouncementId): SettledLines {
    const batch = this.#open.shift();
    assert(batch?.id === announcementId && this.#items !== undefined, 'batches are settled in object order');
    this.#items.settledCount += batch.itemCount;
    return batch.lines;
  }

  #putExtra(lines: SettledLines): void {
    const items = this.#ownItems();
    for (const content of toSettledContents(lines)) this.#put(sortKeyOf('extra', items, items.extraCount++), content);
  }

  #put(sort: string, content: Uint8Array): void {
    const key = { partition: objectKey(this.#draft.id).partition, sort };
    this.#puts.push({ key, content, expiresAtMs: this.#parts.expiresAtMs() });
  }

  #changed(): void {
    this.#changeCount++;
    this.#isFinished = false;
    this.#draft.owner = this.#owner;
  }

  #writeLater(): void {
    const { clock, closing } = this.#parts;
    this.#laterWrite ??= clock.sleep(laterWriteMs, closing).then(
      () => {
        this.#laterWrite = undefined;
        if (this.#durableCount < this.#changeCount) this.#write().catch(() => {});
      },
      () => {}, // The last write of the claim has it.
    );
  }

  #write(): Promise<void> {
    if (this.#writing === undefined) {
      this.#writing = this.#writeOnce().finally(() => (this.#writing = undefined));
      this.#writing.catch(() => {}); // Reported by flush.
    }
    return this.#writing;
  }

  /** Puts batch items first: what was put and not admitted does not count for anybody. */
  async #writeOnce(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // Lets this turn of the event loop add its changes.
    if (this.#lost.signal.aborted) return;
    const { store, recordEvent } = this.#parts;
    const { id, workspaceId, newestEventMs, owner } = this.#draft;
    const value = toText(this.#draft, registerFormat);
    const upTo = this.#changeCount;
    const putCount = this.#puts.length;
    await Promise.all(this.#puts.map((item) => store.put(item, never)));
    this.#puts.splice(0, putCount);
    if (putCount > 0) reached('batch put', id);
    if (owner === undefined && newestEventMs !== undefined) await recordEvent(workspaceId, newestEventMs, never);
    const end = await store.write(objectKey(id), this.#revision, value, never);
    if (end.status === 'refused') return this.#lose();
    this.#revision = end.register.revision;
    this.#durableCount = upTo;
    reached('register written', id);
  }

  #lose(): void {
    if (this.#lost.signal.aborted) return;
    reached('claim lost', this.#draft.id);
    this.#lost.abort(new Error('the claim is lost'));
    this.#parts.onLost();
  }
}

function isOwnedBy(value: string | undefined, owner: string, epoch: number): boolean {
  if (value === undefined) return false;
  const found: unknown = JSON.parse(value);
  const has = (name: string, expected: unknown) =>
    typeof found === 'object' && found !== null && name in found && Reflect.get(found, name) === expected;
  return has('owner', owner) && has('epoch', epoch);
}

/** Lines of the batch that its announcement does not have, because they were announced before a crash. */
function linesBeyond(settlement: Settlement, announced: SettledLines | undefined): SettledLines[] {
  if (announced?.lineHashes.length === settlement.lineHashes.length) return [];
  // The announced lines were sent with its observed time, so look for them there first.
  const parts = settledLinesOf(settlement).sort((one, other) => Number(isOfTime(other)) - Number(isOfTime(one)));
  let taken = announced?.lineHashes ?? new Int32Array(0);
  return parts.flatMap(({ lineHashes, observedAtMs }) => {
    const rest = without(lineHashes, taken);
    taken = without(taken, lineHashes);
    return rest.length === 0 ? [] : [{ lineHashes: rest, observedAtMs }];
  });

  function isOfTime({ observedAtMs }: SettledLines): boolean {
    return observedAtMs === announced?.observedAtMs;
  }
}
