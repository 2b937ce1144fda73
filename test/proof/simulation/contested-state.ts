/**
 * A state that other replicas contend for: claims are refused and taken over at random, until the faults end. It is in memory, and
 * what was flushed outlives each process.
 */
import type { OpenState } from '../../../src/contracts/open-state.ts';
import type { ObjectId } from '../../../src/model/object.ts';
import { utcDate } from '../../../src/runtime/clock.ts';
import { MemoryStore, openMemoryState } from '../../support/memory-state.ts';
import type { Life, World } from './world.ts';

export interface ContestedStateListener {
  /** Changes of an object became durable. */
  committed(key: string): void;
  /** The claim of an object was taken over: what is not settled may be sent again, even by the same process. */
  claimLost(key: string): void;
}

const [refusedPart, lostPart] = [0.15, 0.05];

export class ContestedState {
  readonly #world: World;
  readonly #untilMs: number;
  readonly #listener: ContestedStateListener;
  readonly #store = new MemoryStore();
  readonly #createdOn: string;
  readonly #refused = new Set<ObjectId | 'lead'>();
  #current: ReturnType<typeof openMemoryState> | undefined;

  /** @param untilMs when the other replicas release everything. */
  constructor(world: World, untilMs: number, listener: ContestedStateListener) {
    this.#world = world;
    this.#untilMs = untilMs;
    this.#listener = listener;
    this.#createdOn = utcDate(world.nowMs);
  }

  openFor(life: Life): () => Promise<OpenState> {
    return async () => {
      const whileAlive = (listen: (key: string) => void) => (id: ObjectId) => {
        if (life.alive) listen(keyOf(id));
      };
      this.#current = openMemoryState({
        store: this.#store,
        createdOn: this.#createdOn,
        refuses: (id) => this.#refuses(id),
        loses: (id) => this.#isContested && this.#happens('claim taken over', lostPart, id),
        onCommit: whileAlive((key) => this.#listener.committed(key)),
        onLost: whileAlive((key) => this.#listener.claimLost(key)),
      });
      return this.#current;
    };
  }

  /** The process is dead: what it still does has no effect. */
  die(): void {
    this.#current?.die();
  }

  summary() {
    const registers = [...this.#store.registers.values()];
    const sum = (count: (register: (typeof registers)[number]) => number) =>
      registers.reduce((total, register) => total + count(register), 0);
    return {
      objectCount: registers.length,
      settledCount: sum(({ acceptedCount, deadLetteredCount }) => acceptedCount + deadLetteredCount),
      announcedBatchCount: sum(({ announcements }) => announcements.size),
    };
  }

  get #isContested(): boolean {
    return this.#world.nowMs < this.#untilMs;
  }

  /** Never twice in a row, so that every object gets its turn. */
  #refuses(id: ObjectId | 'lead'): boolean {
    if (this.#refused.delete(id) || !this.#isContested || !this.#happens('claim refused', refusedPart, id))
      return false;
    this.#refused.add(id);
    return true;
  }

  #happens(what: string, probability: number, id: string): boolean {
    const happens = this.#world.chance(what).happens(probability);
    if (happens) this.#world.note(`${id}: ${what}`);
    return happens;
  }
}

function keyOf(id: ObjectId): string {
  return decodeURIComponent(id.replace(/^(s3:\/\/[^/]+|file:\/\/)\//, ''));
}
