/**
 * The store of a shared state, harder to live with than any service: an answer is lost with or without the write, a write takes
 * effect much later, reads that need not be consistent are old, and expired items go in any part and at any time.
 */
import { AgentError } from '../../../src/model/agent-error.ts';
import type { BatchItem, ItemKey, Register, RegisterEntry } from '../../../src/sharing/store.ts';
import { ModelStore, StoredItems } from '../../support/model-store.ts';
import type { Faults } from './faults.ts';
import type { StoreFault } from './plan.ts';
import type { Life, World } from './world.ts';

/** How old an answer that need not be consistent may be, and how late a write. */
const [staleMs, lateMs] = [60_000, 10 * 60_000];

/** Remembers what each register was and when a process last read it, and reports each write. */
export class HostileItems extends StoredItems {
  readonly #world: World;
  readonly #onWrite: (entry: RegisterEntry, items: HostileItems) => void;
  readonly #history = new Map<string, { readonly atMs: number; readonly register: Register | undefined }[]>();

  readonly #reads = new Map<string, number>();

  constructor(world: World, onWrite: (entry: RegisterEntry, items: HostileItems) => void) {
    super();
    this.#world = world;
    this.#onWrite = onWrite;
  }

  written(entry: RegisterEntry): void {
    this.noteHistory(entry.key, entry);
    this.#onWrite(entry, this);
  }

  noteHistory(key: ItemKey, register: Register | undefined): void {
    const history = this.#history.get(nameOf(key)) ?? [{ atMs: 0, register: undefined }];
    history.push({ atMs: this.#world.nowMs, register });
    this.#history.set(nameOf(key), history);
  }

  noteRead(key: ItemKey, life: number): void {
    this.#reads.set(`${nameOf(key)}\0${life}`, this.#world.nowMs);
  }

  at(key: ItemKey, atMs: number): Register | undefined {
    return this.#last(key, atMs)?.register;
  }

  /** When the register was last written or removed until then. */
  lastChangeMs(key: ItemKey, untilMs: number): number {
    return this.#last(key, untilMs)?.atMs ?? 0;
  }

  /** When the process last read the register by itself. */
  lastReadMs(key: ItemKey, life: number): number | undefined {
    return this.#reads.get(`${nameOf(key)}\0${life}`);
  }

  #last(key: ItemKey, untilMs: number) {
    return this.#history.get(nameOf(key))?.findLast(({ atMs }) => atMs <= untilMs);
  }

  /** The items of a partition in sort order, as they are now. */
  batchItemsOf(partition: string): readonly BatchItem[] {
    return [...this.batchItems.values()].filter(({ key }) => key.partition === partition);
  }
}

function nameOf({ partition, sort }: ItemKey): string {
  return `${partition}\0${sort}`;
}

export class HostileStore extends ModelStore {
  readonly #world: World;
  readonly #life: Life;
  readonly #faults: Faults;
  readonly #hostile: HostileItems;

  constructor(items: HostileItems, world: World, life: Life, faults: Faults) {
    super(items);
    this.#hostile = items;
    this.#world = world;
    this.#life = life;
    this.#faults = faults;
  }

  override read(key: ItemKey, signal: AbortSignal): Promise<Register | undefined> {
    return this.#reading(async () => {
      this.#hostile.noteRead(key, this.#life.number);
      return await super.read(key, signal);
    }, signal);
  }

  override readMany(keys: readonly ItemKey[], signal: AbortSignal): Promise<readonly (Register | undefined)[]> {
    const atMs = this.#world.nowMs - this.#world.chance('stale registers').next() * staleMs;
    return this.#reading(async () => keys.map((key) => this.#hostile.at(key, atMs)), signal);
  }

  override async *registers(partition: string, signal: AbortSignal): AsyncIterable<readonly RegisterEntry[]> {
    const entries = [...this.#hostile.registers.values()].filter(({ key }) => key.partition === partition);
    yield await this.#reading(async () => entries.map((entry) => ({ ...entry })), signal);
  }

  override async *batchItems(
    partition: string,
    range: { readonly from: string; readonly before: string },
    signal: AbortSignal,
  ): AsyncIterable<readonly BatchItem[]> {
    for await (const page of super.batchItems(partition, range, signal)) {
      yield await this.#reading(async () => page, signal);
      this.#expire();
    }
  }

  override compareAndSet(...call: Parameters<ModelStore['compareAndSet']>): ReturnType<ModelStore['compareAndSet']> {
    const [key, expected, next, signal] = call;
    return this.#writing(async () => {
      const end = await super.compareAndSet(key, expected, next, new AbortController().signal);
      if (end === 'written') this.#hostile.written({ ...next, key });
      return end;
    }, signal);
  }

  override removeRegister(key: ItemKey, expected: string, signal: AbortSignal): Promise<'removed' | 'refused'> {
    return this.#writing(async () => {
      const end = await super.removeRegister(key, expected, new AbortController().signal);
      if (end === 'removed') this.#hostile.noteHistory(key, undefined);
      return end;
    }, signal);
  }

  override putBatchItem(item: BatchItem, signal: AbortSignal): Promise<void> {
    return this.#writing(() => super.putBatchItem(item, new AbortController().signal), signal);
  }

  async #reading<Result>(read: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    await this.#arrive(signal);
    this.#expire();
    const fault = this.#fault();
    if (fault !== undefined && fault !== 'late' && fault !== 'repeats') return await this.#fail(signal);
    const result = await read();
    await this.#arrive(signal);
    return result;
  }

  async #writing<Result>(write: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    await this.#arrive(signal);
    const chance = this.#world.chance('store');
    switch (this.#fault()) {
      case undefined: {
        const result = await write();
        await this.#arrive(signal);
        return result;
      }
      case 'repeats': {
        await write();
        const result = await write();
        await this.#arrive(signal);
        return result;
      }
      case 'losesAnswers':
        if (chance.happens(0.6)) await write();
        return await this.#fail(signal);
      case 'late':
        this.#world.at(this.#world.nowMs + chance.between(1, lateMs), () => void write());
        return await this.#fail(signal);
      default:
        return await this.#fail(signal);
    }
  }

  /** A part of what happens under a fault goes well. */
  #fault(): Exclude<StoreFault, 'mixed'> | undefined {
    const fault = this.#faults.store;
    const chance = this.#world.chance('store');
    if (fault === undefined || fault === 'away') return fault;
    if (chance.happens(0.4)) return undefined;
    return fault === 'mixed' ? chance.pick(['losesAnswers', 'late', 'repeats', 'throttled']) : fault;
  }

  async #fail(signal: AbortSignal): Promise<never> {
    await this.#arrive(signal);
    throw new AgentError('ERR_STATE_UNAVAILABLE', 'The store is not available (simulated)');
  }

  /** Any part of what has expired goes at any time. */
  #expire(): void {
    const chance = this.#world.chance('expiry');
    this.#hostile.expire(this.#world.nowMs, () => chance.happens(0.5));
  }

  async #arrive(signal: AbortSignal): Promise<void> {
    await this.#world.call(this.#life, 'store', this.#world.latencyMs('store') / 4, signal);
    if (!this.#life.alive) await new Promise(() => {});
  }
}
