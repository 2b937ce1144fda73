/**
 * Which process does a task on behalf of all. Two leaders for a moment are harmless: a sweep visits claimed objects only, and
 * alert events of two leaders are the same bytes. So a lead needs no fence.
 */
import { z } from 'zod';
import type { Lead, LedTask } from '../contracts/delivery-state.ts';
import type { PatientStore } from './patient-store.ts';
import { parseRegister, registerFormat } from './register-format.ts';
import type { Replicas } from './replicas.ts';
import type { ItemKey, Register } from './store.ts';

const leadSchema = z.object({ owner: z.string().optional() });

export class Leads {
  readonly #store: PatientStore;
  readonly #replicas: Replicas;
  readonly #held = new Map<LedTask, AbortController>();
  readonly #asking = new Map<LedTask, Promise<AbortController | undefined>>();

  constructor(store: PatientStore, replicas: Replicas) {
    this.#store = store;
    this.#replicas = replicas;
  }

  /** What this process leads. */
  get tasks(): readonly LedTask[] {
    return [...this.#held.keys()];
  }

  /** Several callers of this process may lead the same task. They share one request, since two would refuse each other. */
  async lead(task: LedTask, signal: AbortSignal): Promise<Lead | undefined> {
    let asking = this.#asking.get(task);
    if (asking === undefined) {
      asking = this.#ask(task, signal).finally(() => this.#asking.delete(task));
      this.#asking.set(task, asking);
    }
    const lost = await asking;
    return lost && { lost: lost.signal, release: () => this.#release(task) };
  }

  /** Notices that another process has taken over. */
  async check(signal: AbortSignal): Promise<void> {
    for (const [task, lost] of this.#held) {
      const owner = ownerOf(task, await this.#store.read(keyOf(task), signal));
      if (owner === this.#replicas.id) continue;
      this.#held.delete(task);
      lost.abort(new Error('another replica leads'));
    }
  }

  /** Others may lead from now on. */
  giveUpAll(): void {
    for (const task of this.tasks) void this.#release(task, 'this replica stands aside');
  }

  async releaseAll(): Promise<void> {
    await Promise.all(this.tasks.map((task) => this.#release(task)));
  }

  async #ask(task: LedTask, signal: AbortSignal): Promise<AbortController | undefined> {
    const held = this.#held.get(task);
    if (held !== undefined) return held;
    const found = await this.#store.read(keyOf(task), signal);
    const owner = ownerOf(task, found);
    if (owner === 'newer') return undefined;
    if (owner !== undefined && owner !== this.#replicas.id && (await this.#replicas.isAlive(owner, signal)))
      return undefined;
    const end = await this.#store.write(keyOf(task), found?.revision, toText(this.#replicas.id), signal);
    if (end.status === 'refused') return undefined;
    const lost = new AbortController();
    this.#held.set(task, lost);
    return lost;
  }

  async #release(task: LedTask, reason = 'the lead was released'): Promise<void> {
    const lost = this.#held.get(task);
    if (lost === undefined) return;
    this.#held.delete(task);
    // Another caller of this process may have the same lead.
    lost.abort(new Error(reason));
    const release = (found: Register | undefined) =>
      ownerOf(task, found) === this.#replicas.id ? toText(undefined) : undefined;
    // If it cannot be written, others lead when this process is gone.
    const writing = this.#store.update(keyOf(task), release, new AbortController().signal).catch(() => {});
    await this.#store.untilWaiting(writing);
  }
}

function ownerOf(task: LedTask, found: Register | undefined): string | undefined {
  if (found === undefined) return undefined;
  const parsed = parseRegister(keyOf(task), found.value, leadSchema);
  return parsed === 'newer' ? 'newer' : parsed.owner;
}

function toText(owner: string | undefined): string {
  return JSON.stringify({ format: registerFormat, owner });
}

function keyOf(task: LedTask): ItemKey {
  return { partition: 'leads', sort: task };
}
