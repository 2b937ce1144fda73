/**
 * Which processes share the state, and which of them are alive.
 *
 * Each process raises a counter. Everybody else looks at the counters, and takes a process for dead when its counter was the same
 * in `looksUntilDead` further looks, each a full interval after the one before, or when it is gone. So no clock is compared with
 * another, and none is read: an observer that was stopped itself has looked once when it continues, and a clock that jumps changes
 * nothing. A look that fails starts all waiting anew, or an outage of the store would make everybody dead at once.
 */
import { z } from 'zod';
import type { LedTask } from '../contracts/delivery-state.ts';
import type { Observer } from '../contracts/observer.ts';
import { AgentError, isAgentError } from '../model/agent-error.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { SampledLog } from '../runtime/sampled-log.ts';
import { allOf, type PatientStore } from './patient-store.ts';
import { parseRegister, registerFormat } from './register-format.ts';
import type { ItemKey, Register, SharedStore } from './store.ts';

/** How a process introduces itself to the others. */
export interface ReplicaInfo {
  readonly host: string;
  readonly version: string;
  /** Of everything that decides what a record looks like: mapping, redaction, resource attributes. */
  readonly fingerprint: string;
}

/** A process as the others see it. */
export interface Replica extends ReplicaInfo {
  readonly id: string;
  /** By its own clock. */
  readonly startedAtMs: number;
  /** When it last raised its counter, by its own clock: for people. Who is alive is decided without it. */
  readonly raisedAtMs: number;
  readonly claimCount: number;
  /** For how many further looks its counter was the same. */
  readonly unchangedLooks: number;
}

export interface ReplicasParts {
  readonly store: SharedStore;
  readonly patient: PatientStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe: Observer;
  readonly newId: () => string;
  readonly info: ReplicaInfo;
  readonly lookIntervalMs: number;
  readonly claimCount: () => number;
  /** What this process leads. */
  readonly leads: () => readonly LedTask[];
  /** Called when a process that reopened objects is gone or taken for dead, perhaps before it visited them. */
  readonly onReopenerGone: () => void;
  /** Called with ERR_REPLICA_REMOVED. */
  readonly onRemoved: (error: AgentError) => void;
  /** Called after each look. */
  readonly onLook: () => Promise<void>;
}

export const lookIntervalMsDefault = 10_000;
export const looksUntilDead = 3;
/** A counter that was the same for an hour is removed. */
const looksUntilRemoved = 360;
export const replicaPartition = 'replicas';

const replicaSchema = z.object({
  id: z.string(),
  host: z.string(),
  version: z.string(),
  fingerprint: z.string(),
  startedAtMs: z.number(),
  raisedAtMs: z.number(),
  claimCount: z.number(),
  /** Unknown to older versions, which leave it alone. */
  isReopening: z.boolean().optional(),
  count: z.number(),
});

interface Seen {
  readonly register: Register;
  readonly replica: KnownReplica | undefined;
  unchangedLooks: number;
}

interface KnownReplica extends Omit<Replica, 'unchangedLooks'> {
  /** It makes others visit objects again whose version is settled. */
  readonly isReopening?: boolean | undefined;
}

export class Replicas {
  /** Of this process; random, new at each start. */
  readonly id: string;
  readonly #parts: ReplicasParts;
  readonly #startedAtMs: number;
  readonly #closing = new AbortController();
  readonly #seen = new Map<string, Seen>();
  readonly #different = new Set<string>();
  readonly #log: SampledLog;
  #watching: Promise<void> = Promise.resolve();
  #revision: string | undefined;
  #count = 0;
  #isReopening = false;
  #raisedAtMs: number;

  constructor(parts: ReplicasParts) {
    this.#parts = parts;
    this.id = parts.newId();
    this.#log = new SampledLog(parts.clock, parts.logger);
    this.#startedAtMs = parts.clock.nowMs();
    this.#raisedAtMs = this.#startedAtMs;
  }

  /** The other processes, as of the last look. */
  get others(): readonly Replica[] {
    return [...this.#seen].flatMap(([id, { replica, unchangedLooks }]) =>
      replica === undefined || id === this.id ? [] : [{ ...replica, unchangedLooks }],
    );
  }

  /** When the counter was last raised, by the clock of this process. */
  get raisedAtMs(): number {
    return this.#raisedAtMs;
  }

  /** False if others may take this process for dead, because it was stopped or the store was away for longer than the lease. */
  get isRenewed(): boolean {
    const sinceMs = this.#parts.clock.nowMs() - this.#raisedAtMs;
    return sinceMs >= 0 && sinceMs < looksUntilDead * this.#parts.lookIntervalMs;
  }

  /** Creates the counter, looks at the others, and does both again from now on. */
  async join(signal: AbortSignal): Promise<void> {
    const end = await this.#parts.patient.write(keyOf(this.id), undefined, this.#value(), signal);
    if (end.status === 'written') this.#revision = end.register.revision;
    this.#raisedAtMs = this.#parts.clock.nowMs();
    await this.#look();
    this.#watching = this.#watch();
  }

  /** Tells the others that this process reopens objects. Call it before the first one is reopened; durable when it resolves. */
  async announceReopening(signal: AbortSignal): Promise<void> {
    if (this.#isReopening) return;
    let expected = this.#revision;
    for (;;) {
      const value = this.#value({ isReopening: true });
      const end = await this.#parts.patient.write(keyOf(this.id), expected, value, signal);
      if (end.status === 'written') {
        this.#revision = end.register.revision;
        this.#isReopening = true;
        return;
      }
      if (end.found === undefined) return; // Removed: the next interval notices.
      expected = end.found.revision;
    }
  }

  /** False if the process is taken for dead. @param id of another process. */
  async isAlive(id: string, signal: AbortSignal): Promise<boolean> {
    const seen = this.#seen.get(id);
    if (seen !== undefined && seen.unchangedLooks < looksUntilDead) return true;
    // It may have started, or continued, since the last look.
    const found = await this.#parts.patient.read(keyOf(id), signal);
    if (found === undefined || found.revision === seen?.register.revision) return false;
    // The next look comes before a full interval has passed, so it must not count yet.
    this.#seen.set(id, { register: found, replica: this.#replicaOf(id, found), unchangedLooks: -1 });
    return true;
  }

  /** Removes the counter, so that others need not wait. Tries once. */
  async leave(signal: AbortSignal): Promise<void> {
    this.#closing.abort();
    await this.#watching;
    if (this.#revision === undefined) return;
    try {
      await this.#parts.store.removeRegister(keyOf(this.id), this.#revision, signal);
    } catch {
      // Others wait until they take this process for dead.
    }
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closing;
    const { clock, lookIntervalMs } = this.#parts;
    while (!signal.aborted) {
      await clock.sleep(lookIntervalMs, signal).catch(() => {});
      if (signal.aborted) return;
      await this.#raise();
      await this.#look();
      if (!signal.aborted) await this.#parts.onLook();
    }
  }

  /** Never rejects: if it fails, the next interval tries again. */
  async #raise(): Promise<void> {
    const { store, clock, newId, onRemoved } = this.#parts;
    const { signal } = this.#closing;
    const key = keyOf(this.id);
    const begunAtMs = clock.nowMs();
    const next = { revision: newId(), value: this.#value() };
    try {
      if ((await store.compareAndSet(key, this.#revision, next, signal)) === 'refused') {
        const found = await store.read(key, signal);
        if (found === undefined) {
          onRemoved(explainRemoved());
          return this.#closing.abort();
        }
        // An earlier attempt of this process took effect, perhaps late.
        this.#revision = found.revision;
        if (found.revision !== next.revision) return;
      }
      this.#revision = next.revision;
      this.#raisedAtMs = begunAtMs;
    } catch (error) {
      if (!isAgentError(error, 'ERR_STATE_UNAVAILABLE') && !signal.aborted)
        this.#parts.logger.error({ err: error }, 'Lease could not be renewed');
    }
  }

  async #look(): Promise<void> {
    const { store, clock, observe } = this.#parts;
    const { signal } = this.#closing;
    try {
      const entries = await allOf(store.registers(replicaPartition, signal));
      const ids = new Set(entries.map(({ key }) => key.sort));
      for (const id of this.#seen.keys()) if (!ids.has(id)) this.#forget(id);
      for (const { key, revision, value } of entries) await this.#saw(key.sort, { revision, value });
      this.#warnOfDifferences();
    } catch (error) {
      for (const seen of this.#seen.values()) seen.unchangedLooks = 0;
      if (!isAgentError(error, 'ERR_STATE_UNAVAILABLE') && !signal.aborted)
        this.#log.write('error', { err: error }, 'Other replicas could not be read; none of them is taken for dead');
    }
    const replicas = this.others.map(({ id, host, version, claimCount, unchangedLooks }) => ({
      id,
      host,
      version,
      claimCount,
      unchangedMs: Math.max(0, unchangedLooks) * this.#parts.lookIntervalMs,
      isAlive: unchangedLooks < looksUntilDead,
    }));
    observe({
      kind: 'replicasSeen',
      atMs: clock.nowMs(),
      raisedAtMs: this.#raisedAtMs,
      claimCount: this.#parts.claimCount(),
      leads: this.#parts.leads(),
      others: replicas,
    });
  }

  async #saw(id: string, register: Register): Promise<void> {
    const before = this.#seen.get(id);
    const isUnchanged = before?.register.revision === register.revision;
    const unchangedLooks = isUnchanged ? before.unchangedLooks + 1 : 0;
    const replica = this.#replicaOf(id, register);
    this.#seen.set(id, { register, replica, unchangedLooks });
    if (unchangedLooks === looksUntilDead && replica?.isReopening) this.#parts.onReopenerGone();
    if (unchangedLooks < looksUntilRemoved || id === this.id) return;
    const { store } = this.#parts;
    if ((await store.removeRegister(keyOf(id), register.revision, this.#closing.signal)) === 'removed')
      this.#forget(id);
  }

  #forget(id: string): void {
    if (this.#seen.get(id)?.replica?.isReopening) this.#parts.onReopenerGone();
    this.#seen.delete(id);
  }

  /**
   * Undefined if a newer version wrote it, or if it is damaged: whether a process is alive does not depend on what its item says, so
   * one of them must not keep the dead from being noticed.
   */
  #replicaOf(id: string, register: Register): KnownReplica | undefined {
    try {
      return replicaOf(id, register);
    } catch (error) {
      this.#log.write('error', { err: error }, 'Item of another replica cannot be read');
      return undefined;
    }
  }

  #warnOfDifferences(): void {
    const { info, logger, observe } = this.#parts;
    for (const { id, host, version, fingerprint, unchangedLooks } of this.others) {
      const isAlive = unchangedLooks < looksUntilDead;
      if (!isAlive || fingerprint === info.fingerprint || this.#different.has(id)) continue;
      this.#different.add(id);
      const { code, message, hint } = explainDifferent(host);
      observe({ kind: 'faultMet', fault: { code, message, hint } });
      logger.warn({ err: explainDifferent(host), replica: id, host, version }, 'Replicas differ');
    }
  }

  #value({ isReopening = this.#isReopening } = {}): string {
    const { info, claimCount, clock } = this.#parts;
    return JSON.stringify({
      format: registerFormat,
      id: this.id,
      ...info,
      startedAtMs: this.#startedAtMs,
      raisedAtMs: clock.nowMs(),
      claimCount: claimCount(),
      isReopening,
      count: this.#count++,
    });
  }
}

/** The processes that have a counter, alive or not. */
export async function readReplicas(
  patient: PatientStore,
  signal: AbortSignal,
): Promise<readonly Omit<Replica, 'unchangedLooks'>[]> {
  const entries = await patient.registers(replicaPartition, signal);
  return entries.flatMap((entry) => replicaOf(entry.key.sort, entry) ?? []);
}

/** Undefined if a newer version wrote it. */
function replicaOf(id: string, register: Register): KnownReplica | undefined {
  const replica = parseRegister(keyOf(id), register.value, replicaSchema);
  return replica === 'newer' ? undefined : replica;
}

function keyOf(id: string): ItemKey {
  return { partition: replicaPartition, sort: id };
}

function explainRemoved(): AgentError {
  return new AgentError(
    'ERR_REPLICA_REMOVED',
    'Another replica removed this one from the shared state, because it had not been heard of for an hour',
    { hint: 'Start it again. If it was not stopped on purpose, look for why it could not run or reach the state.' },
  );
}

function explainDifferent(host: string): AgentError {
  return new AgentError(
    'ERR_REPLICA_DIFFERS',
    `This replica maps records in another way than the one on ${host}: a repeat after a crash may differ from what was sent first`,
    {
      hint: 'Give all replicas the same mapping, redaction and resource attributes. OTEL_RESOURCE_ATTRIBUTES must not have the name of the pod. During a rolling update this is expected.',
    },
  );
}
