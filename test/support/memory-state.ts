/**
 * A delivery state in memory that behaves as one that replicas share: it may refuse a claim because another process holds it,
 * and take a claim away from its holder. What was flushed lives in a store that outlives each process.
 */
import type {
  Announcement,
  AnnouncementId,
  Claim,
  Lead,
  LineHashes,
  ObjectState,
  Settlement,
} from '../../src/contracts/delivery-state.ts';
import type { OpenState } from '../../src/contracts/open-state.ts';
import type { WorkspaceEvents } from '../../src/contracts/silence-state.ts';
import type { DeliveredObject, ObjectId, ObjectOrigin } from '../../src/model/object.ts';
import { startOfObject } from '../../src/pipeline/prefix-digest.ts';

/** All that is durable about one object. */
interface Register {
  readonly origin: ObjectOrigin;
  state: ObjectState;
  readonly announcements: Map<AnnouncementId, Announcement>;
  lineHashes: LineHashes[];
  acceptedCount: number;
  deadLetteredCount: number;
}

export class MemoryStore {
  readonly hashSecret = Uint8Array.from({ length: 80 }, (_, index) => (index * 37 + 11) & 0xff);
  readonly registers = new Map<ObjectId, Register>();
  /** Who may write an object: it goes up with each claim, and a write of an earlier one has no effect. */
  readonly epochs = new Map<ObjectId, number>();
  readonly workspaces = new Map<string | undefined, WorkspaceEvents>();
  announcementCount = 0;
}

export interface MemoryStateOptions {
  readonly store?: MemoryStore;
  readonly createdOn?: string;
  /** True when another process holds the object that is about to be claimed. */
  readonly refuses?: (id: ObjectId | 'lead') => boolean;
  /** True when another process takes the object over before the next change is durable. */
  readonly loses?: (id: ObjectId) => boolean;
  /** Called when changes of an object became durable. */
  readonly onCommit?: (id: ObjectId) => void;
  /** Called when a claim was found to be taken over. */
  readonly onLost?: (id: ObjectId) => void;
}

/** Nothing that it does has an effect once its process is gone: call `die`. */
export function openMemoryState(options: MemoryStateOptions = {}): OpenState & { die(): void } {
  return new MemoryState(options);
}

class MemoryState implements OpenState {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  readonly #store: MemoryStore;
  readonly #options: MemoryStateOptions;
  readonly #claims = new Map<ObjectId, MemoryClaim>();
  #isDead = false;

  constructor(options: MemoryStateOptions) {
    const { store = new MemoryStore(), createdOn = '2026-01-31' } = options;
    this.#store = store;
    this.#options = options;
    this.hashSecret = store.hashSecret;
    this.createdOn = createdOn;
  }

  die(): void {
    this.#isDead = true;
  }

  async unsettled(objects: readonly DeliveredObject[]): Promise<readonly DeliveredObject[]> {
    await turn();
    return objects.filter((object) => !this.#isSettled(object));
  }

  async settledFaults(objects: readonly DeliveredObject[]) {
    await turn();
    return new Map(
      objects.flatMap(({ origin: { id } }) => {
        const fault = this.#store.registers.get(id)?.state.settledFault;
        return fault === undefined ? [] : [[id, fault] as const];
      }),
    );
  }

  async knowsAny(idsBeginWith: readonly string[]): Promise<boolean> {
    await turn();
    return this.#store.registers.keys().some((id) => idsBeginWith.some((start) => id.startsWith(start)));
  }

  async claim(object: DeliveredObject, signal: AbortSignal): Promise<Claim | 'settled' | 'elsewhere'> {
    signal.throwIfAborted();
    await turn();
    const { id } = object.origin;
    if (this.#isSettled(object)) return 'settled';
    if (this.#claims.has(id) || this.#options.refuses?.(id)) return 'elsewhere';
    const epoch = (this.#store.epochs.get(id) ?? 0) + 1;
    this.#store.epochs.set(id, epoch);
    const claim = new MemoryClaim(object.origin, epoch, {
      store: this.#store,
      loses: () => this.#options.loses?.(id) ?? false,
      isDead: () => this.#isDead,
      onCommit: () => this.#options.onCommit?.(id),
      onLost: () => this.#options.onLost?.(id),
      onRelease: () => this.#claims.delete(id),
    });
    this.#claims.set(id, claim);
    return claim;
  }

  async reopen({ origin: { id } }: DeliveredObject): Promise<void> {
    const register = this.#store.registers.get(id);
    if (register === undefined) return;
    const { state } = register;
    register.state = {
      ...state,
      settledVersion: undefined,
      settledFault: undefined,
      settled: state.hasLineHashes ? startOfObject : state.settled,
    };
  }

  async lead(): Promise<Lead | undefined> {
    await turn();
    if (this.#options.refuses?.('lead')) return undefined;
    return { lost: new AbortController().signal, release: async () => {} };
  }

  dropLineHashes(before: string): void {
    for (const register of this.#store.registers.values()) {
      const { origin, state } = register;
      if (state.settledVersion === undefined || this.#claims.has(origin.id)) continue;
      const date = origin.date ?? new Date(state.settledVersion.modifiedAtMs).toISOString().slice(0, 10);
      if (date >= before) continue;
      register.state = { ...state, hasLineHashes: false };
      register.lineHashes = [];
    }
  }

  async workspaces(): Promise<readonly WorkspaceEvents[]> {
    return [...this.#store.workspaces.values()];
  }

  async beginSilence(workspaceId: string | undefined, sinceMs: number, thresholdMs: number): Promise<void> {
    this.#change(workspaceId, { sinceMs, thresholdMs, isReported: false, endedByMs: undefined });
  }

  async silenceReported(workspaceId: string | undefined): Promise<void> {
    const silence = this.#store.workspaces.get(workspaceId)?.silence;
    this.#change(workspaceId, silence && { ...silence, isReported: true });
  }

  async endSilence(workspaceId: string | undefined): Promise<void> {
    this.#change(workspaceId, undefined);
  }

  async close(): Promise<void> {
    for (const claim of this.#claims.values()) await claim.release();
    this.#isDead = true;
  }

  #isSettled({ origin, version }: DeliveredObject): boolean {
    return this.#store.registers.get(origin.id)?.state.settledVersion?.etag === version.etag;
  }

  #change(workspaceId: string | undefined, silence: WorkspaceEvents['silence']): void {
    const events = this.#store.workspaces.get(workspaceId);
    if (events !== undefined) this.#store.workspaces.set(workspaceId, { ...events, silence });
  }
}

interface ClaimParts {
  readonly store: MemoryStore;
  readonly loses: () => boolean;
  readonly isDead: () => boolean;
  readonly onCommit: () => void;
  readonly onLost: () => void;
  readonly onRelease: () => void;
}

class MemoryClaim implements Claim {
  readonly known: ObjectState | undefined;
  readonly announcements: readonly Announcement[];
  readonly #lineHashes: readonly LineHashes[];
  readonly #lost = new AbortController();
  readonly #origin: ObjectOrigin;
  readonly #epoch: number;
  readonly #parts: ClaimParts;
  #changes: ((register: Register) => void)[] = [];

  constructor(origin: ObjectOrigin, epoch: number, parts: ClaimParts) {
    const register = parts.store.registers.get(origin.id);
    this.known = register?.state;
    this.announcements = [...(register?.announcements.values() ?? [])];
    this.#lineHashes = [...(register?.lineHashes ?? [])];
    this.#origin = origin;
    this.#epoch = epoch;
    this.#parts = parts;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async *settledLineHashes(): AsyncIterable<LineHashes> {
    await turn();
    yield* this.#lineHashes;
  }

  announce({ observedAtMs, lineHashes, occurrences }: Announcement): AnnouncementId {
    const id = ++this.#parts.store.announcementCount as AnnouncementId;
    const announcement = { observedAtMs, lineHashes: lineHashes.slice(), occurrences: occurrences.slice() };
    this.#changes.push((register) => void register.announcements.set(id, announcement));
    return id;
  }

  settle(settlement: Settlement): void {
    const lineHashes = settlement.lineHashes.slice();
    this.#changes.push((register) => {
      const { announcementId, position, acceptedCount, deadLetteredCount, newestEventMs } = settlement;
      if (announcementId !== undefined) register.announcements.delete(announcementId);
      if (position !== undefined) register.state = { ...register.state, settled: position };
      if (register.state.hasLineHashes) register.lineHashes.push(lineHashes);
      register.acceptedCount += acceptedCount;
      register.deadLetteredCount += deadLetteredCount;
      if (newestEventMs !== undefined) this.#noteEvent(newestEventMs);
    });
    void turn().then(() => this.#commit()); // Nobody waits for it.
  }

  finish(...[settledVersion, settled, stillAnnounced, settledFault]: Parameters<Claim['finish']>): void {
    this.#changes.push((register) => {
      register.state = { ...register.state, settledVersion, settledFault, settled };
      register.announcements.clear();
      for (const announcement of stillAnnounced) {
        register.announcements.set(++this.#parts.store.announcementCount as AnnouncementId, announcement);
      }
    });
  }

  forget(): void {
    this.#changes.push((register) => {
      register.announcements.clear();
      register.lineHashes = [];
      register.state = neverVisited;
      register.acceptedCount = 0;
      register.deadLetteredCount = 0;
    });
  }

  async flush(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#lost.signal.throwIfAborted();
    await turn();
    signal.throwIfAborted();
    this.#commit();
    this.#lost.signal.throwIfAborted();
  }

  async release(): Promise<void> {
    this.#commit();
    this.#parts.onRelease();
  }

  #commit(): void {
    const { store, loses, isDead, onCommit, onLost } = this.#parts;
    if (isDead() || this.#changes.length === 0 || this.#lost.signal.aborted) return;
    // Somebody else claims the object, and lets it go again.
    if (loses()) store.epochs.set(this.#origin.id, this.#epoch + 1);
    const changes = this.#changes;
    this.#changes = [];
    if (store.epochs.get(this.#origin.id) !== this.#epoch) {
      onLost();
      this.#lost.abort(new Error('the claim is lost'));
      return;
    }
    const register = store.registers.get(this.#origin.id) ?? newRegister(this.#origin);
    store.registers.set(this.#origin.id, register);
    for (const change of changes) change(register);
    onCommit();
  }

  #noteEvent(eventMs: number): void {
    const { workspaces } = this.#parts.store;
    const { workspaceId } = this.#origin;
    const known = workspaces.get(workspaceId);
    const lastEventMs = Math.max(known?.lastEventMs ?? eventMs, eventMs);
    workspaces.set(workspaceId, { workspaceId, lastEventMs, silence: known?.silence });
  }
}

const neverVisited: ObjectState = { settledVersion: undefined, settled: startOfObject, hasLineHashes: true };

function newRegister(origin: ObjectOrigin): Register {
  return {
    origin,
    state: neverVisited,
    announcements: new Map(),
    lineHashes: [],
    acceptedCount: 0,
    deadLetteredCount: 0,
  };
}

/** Every answer takes a moment, as that of a server does. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
