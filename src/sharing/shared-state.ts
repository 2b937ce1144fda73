/**
 * The delivery state of several replicas, on top of registers and batch items (store.ts). Each object is claimed by one process at a
 * time. docs/delivery.md describes why nothing is lost and no repeat differs when processes are killed or stopped.
 */
import { randomUUID } from 'node:crypto';
import type { Claim, Lead, LedTask } from '../contracts/delivery-state.ts';
import { type Observer, unobserved } from '../contracts/observer.ts';
import type { OpenState } from '../contracts/open-state.ts';
import type { SettledFault } from '../contracts/settled-fault.ts';
import type { WorkspaceEvents } from '../contracts/silence-state.ts';
import type { SourceIdentity } from '../contracts/source.ts';
import { reached } from '../contracts/step.ts';
import { AgentError } from '../model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../model/object.ts';
import { type Clock, utcDate } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { CrashingObjects } from './crashing-objects.ts';
import { expiresAtMs } from './expiry.ts';
import { knowsAny } from './known-objects.ts';
import { Leads } from './leads.ts';
import { type Meta, openMeta } from './meta.ts';
import { countItems, mergeItems, settledLines, withoutLineHashes } from './object-items.ts';
import {
  isPristine,
  newObjectRegister,
  type ObjectRegister,
  objectKey,
  parseObjectRegister,
  startOfObject,
  toText,
} from './object-register.ts';
import { PatientStore } from './patient-store.ts';
import { registerFormat } from './register-format.ts';
import { lookIntervalMsDefault, type ReplicaInfo, Replicas } from './replicas.ts';
import { SettledVersions } from './settled-versions.ts';
import { SharedClaim } from './shared-claim.ts';
import type { Register, SharedStore } from './store.ts';
import { Workspaces } from './workspaces.ts';

export interface SharedStateOptions {
  /** Closed with the state. */
  readonly store: SharedStore;
  /** The configured sources. */
  readonly sources: readonly SourceIdentity[];
  /** Line hashes are kept for this many days after the date of an object. */
  readonly lookbackDays: number;
  readonly replica: ReplicaInfo;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe?: Observer | undefined;
  /** Aborts when the agent is stopping: reads need not be waited for any more. */
  readonly stopping: AbortSignal;
  /** Makes ids of processes and writes; random by default. */
  readonly newId?: (() => string) | undefined;
  /** How often processes raise their counters and look at those of others. */
  readonly lookIntervalMs?: number | undefined;
}

/** Until an agent gives up when the store is not available at startup. */
const openingMs = 60_000;
/** A claim is released whoever gives up. */
const never = new AbortController().signal;
/** Of the visits in a register that are merged. */
const visitsMax = 30;

/**
 * Rejects with ERR_STATE_UNAVAILABLE if the store does not answer for a minute, with ERR_STATE_NOT_FOUND, ERR_STATE_FORMAT,
 * ERR_STATE_NEWER, ERR_STATE_INCOMPLETE or ERR_STATE_SOURCES.
 */
export async function openSharedState(options: SharedStateOptions): Promise<OpenState> {
  const { store, clock, stopping } = options;
  const [opened, late] = [new AbortController(), new AbortController()];
  const giveUp = () => late.abort(explainNotAvailable(store.name));
  clock.sleep(openingMs, opened.signal).then(giveUp, () => {});
  const state = new SharedState(options);
  try {
    await state.open(AbortSignal.any([late.signal, stopping]));
    return state;
  } catch (error) {
    await state.close();
    throw error;
  } finally {
    opened.abort();
  }
}

class SharedState implements OpenState {
  readonly #options: SharedStateOptions;
  readonly #observe: Observer;
  readonly #newId: () => string;
  readonly #closing = new AbortController();
  readonly #store: PatientStore;
  readonly #replicas: Replicas;
  readonly #leads: Leads;
  readonly #workspaces: Workspaces;
  readonly #crashing: CrashingObjects;
  readonly #claims = new Map<ObjectId, SharedClaim | 'being claimed'>();
  #meta: Meta | undefined;
  #settled = new SettledVersions(new Uint8Array());
  /** Of the versions in it. */
  readonly #settledFaults = new Map<ObjectId, SettledFault>();
  #droppedBefore = '';
  #failure: AgentError | undefined;
  /** Aborted while this process stands aside. */
  #aside = new AbortController();

  constructor(options: SharedStateOptions) {
    const { store, clock, logger, observe = unobserved, newId = randomUUID, replica } = options;
    this.#options = options;
    this.#observe = observe;
    this.#newId = newId;
    this.#store = new PatientStore(store, { clock, logger, observe, newId, closing: this.#closing.signal });
    this.#replicas = new Replicas({
      store,
      patient: this.#store,
      clock,
      logger,
      observe,
      newId,
      info: replica,
      lookIntervalMs: options.lookIntervalMs ?? lookIntervalMsDefault,
      claimCount: () => this.#claims.size,
      leads: () => this.#leads.tasks,
      onReopenerGone: () => this.#forgetSettled(),
      onRemoved: (error) => {
        this.#failure = error;
      },
      onLook: () => this.#leads.check(this.#closing.signal).catch(() => {}),
    });
    this.#leads = new Leads(this.#store, this.#replicas);
    this.#workspaces = new Workspaces(this.#store, () => clock.nowMs());
    this.#crashing = new CrashingObjects(clock);
  }

  get hashSecret(): Uint8Array {
    return this.#openedMeta.hashSecret;
  }

  get createdOn(): string {
    return this.#openedMeta.createdOn;
  }

  async open(signal: AbortSignal): Promise<void> {
    const { sources, clock } = this.#options;
    this.#meta = await openMeta(this.#store, sources, clock.nowMs(), signal);
    this.#forgetSettled();
    await this.#replicas.join(signal);
  }

  async unsettled(objects: readonly DeliveredObject[]): Promise<readonly DeliveredObject[]> {
    this.#throwFailure();
    const unknown = objects.filter((object) => !this.#settled.has(object));
    const keys = unknown.map(({ origin }) => objectKey(origin.id));
    const found = await this.#store.readMany(keys, this.#options.stopping);
    for (const [index, object] of unknown.entries()) {
      const entry = found[index];
      const register = entry && parseObjectRegister(objectKey(object.origin.id), entry);
      if (register !== undefined && register !== 'newer' && isSettled(object, register))
        this.#remember(object, register);
    }
    return unknown.filter((object) => !this.#settled.has(object));
  }

  async settledFaults(objects: readonly DeliveredObject[]): Promise<ReadonlyMap<ObjectId, SettledFault>> {
    const faults = objects.flatMap(({ origin: { id } }) => {
      const fault = this.#settledFaults.get(id);
      return fault === undefined ? [] : [[id, fault] as const];
    });
    return new Map(faults);
  }

  knowsAny(idsBeginWith: readonly string[], signal: AbortSignal): Promise<boolean> {
    return knowsAny(this.#options.store, idsBeginWith, signal);
  }

  async claim(object: DeliveredObject, signal: AbortSignal): Promise<Claim | 'settled' | 'elsewhere'> {
    signal.throwIfAborted();
    this.#throwFailure();
    const { id } = object.origin;
    if (this.#aside.signal.aborted || this.#claims.has(id)) return 'elsewhere';
    this.#claims.set(id, 'being claimed');
    try {
      const claim = await this.#claim(object, signal);
      if (typeof claim !== 'string') this.#claims.set(id, claim);
      return claim;
    } finally {
      if (this.#claims.get(id) === 'being claimed') this.#claims.delete(id);
    }
  }

  /** Others that remember the version as settled hear of it if this process ends before it has visited the object. */
  async reopen({ origin: { id } }: DeliveredObject, signal: AbortSignal): Promise<void> {
    await this.#replicas.announceReopening(signal);
    let found = await this.#store.read(objectKey(id), signal);
    while (found !== undefined) {
      const register = parseObjectRegister(objectKey(id), found);
      // Whoever holds it is visiting it already.
      if (register === 'newer' || (await this.#isHeldElsewhere(register, signal))) return;
      const value = toText(
        { ...register, settledVersion: undefined, settledFault: undefined, isReopened: true },
        registerFormat,
      );
      const end = await this.#store.write(objectKey(id), found.revision, value, signal);
      if (end.status === 'written') break;
      found = end.found;
    }
    this.#forgetSettled();
  }

  async lead(task: LedTask): Promise<Lead | undefined> {
    this.#throwFailure();
    const { signal: aside } = this.#aside;
    if (aside.aborted) return undefined;
    const lead = await this.#leads.lead(task, this.#options.stopping);
    if (aside.aborted) {
      await lead?.release();
      return undefined;
    }
    return lead;
  }

  standAside(): () => void {
    this.#aside.abort(new Error('this replica stands aside'));
    this.#leads.giveUpAll();
    return () => {
      this.#aside = new AbortController();
    };
  }

  async workspaces(): Promise<readonly WorkspaceEvents[]> {
    return await this.#workspaces.all(this.#options.stopping);
  }

  async beginSilence(...change: Parameters<OpenState['beginSilence']>): Promise<void> {
    await this.#workspaces.beginSilence(...change);
  }

  async silenceReported(...change: Parameters<OpenState['silenceReported']>): Promise<void> {
    await this.#workspaces.silenceReported(...change);
  }

  async endSilence(...change: Parameters<OpenState['endSilence']>): Promise<void> {
    await this.#workspaces.endSilence(...change);
  }

  /** The engine deletes them, some days later. Until then they are not used. */
  dropLineHashes(before: string): void {
    this.#droppedBefore = before;
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the state is being closed'));
    await Promise.all([...this.#claims.values()].map((claim) => typeof claim !== 'string' && claim.release()));
    await this.#leads.releaseAll();
    await this.#replicas.leave(new AbortController().signal);
    await this.#options.store.close();
  }

  async #claim(object: DeliveredObject, signal: AbortSignal): Promise<SharedClaim | 'settled' | 'elsewhere'> {
    const key = objectKey(object.origin.id);
    const { signal: aside } = this.#aside;
    reached('claim begun', object.origin.id);
    const found = await this.#store.read(key, signal);
    const before = found === undefined ? newObjectRegister(object.origin) : parseObjectRegister(key, found);
    if (before === 'newer') return 'elsewhere';
    if (isSettled(object, before)) {
      this.#remember(object, before);
      return 'settled';
    }
    if (await this.#isHeldElsewhere(before, signal)) return 'elsewhere';
    // A claim of this process itself is one whose write succeeded after it was given up.
    const isTakenOver = before.owner !== undefined && before.owner !== this.#replicas.id;
    if (isTakenOver && found !== undefined) this.#crashing.check(before, found.revision);
    const register = {
      ...before,
      owner: this.#replicas.id,
      epoch: before.epoch + 1,
      takeoverCount: before.takeoverCount + (isTakenOver ? 1 : 0),
    };
    try {
      const end = await this.#store.write(key, found?.revision, toText(register, registerFormat), signal);
      if (end.status === 'refused') return 'elsewhere';
      if (isTakenOver) this.#observe({ kind: 'claimTakenOver' });
      reached('claimed', object.origin.id);
      return await this.#grant(object, register, end.register.revision, { signal, aside });
    } catch (error) {
      await this.#giveUp(register);
      throw error;
    }
  }

  /** Releases a claim that may have been written and was not granted. In the background, if the store is away. */
  async #giveUp({ id, epoch }: ObjectRegister): Promise<void> {
    const release = (found: Register | undefined) => {
      const register = found && parseObjectRegister(objectKey(id), found);
      const isOurs = register !== undefined && register !== 'newer' && register.epoch === epoch;
      if (!isOurs || register.owner !== this.#replicas.id) return undefined;
      return toText({ ...register, owner: undefined }, registerFormat);
    };
    const writing = this.#store.update(objectKey(id), release, never).catch(() => {
      // The state is being closed, or cannot be used any more. Others take the object over when this process is gone.
    });
    await this.#store.untilWaiting(writing);
  }

  /** Counts the batch items, which nobody changes from now on. */
  async #grant(
    object: DeliveredObject,
    register: ObjectRegister,
    revision: string,
    { signal, aside }: { readonly signal: AbortSignal; readonly aside: AbortSignal },
  ): Promise<SharedClaim> {
    const { clock, lookbackDays } = this.#options;
    const { date } = object.origin;
    const expiry = () => expiresAtMs({ date, version: object.version }, lookbackDays, clock.nowMs());
    const wanted = this.#isDropped(object, register) ? withoutLineHashes(register) : register;
    const { announced, isComplete: hasLineHashes } = await countItems(this.#store, wanted, signal);
    let current = { register: hasLineHashes ? register : withoutLineHashes(register), revision };
    if (hasLineHashes && register.visits.length > visitsMax) {
      const merging = { token: this.#newToken(), expiresAtMs: expiry() };
      const merged = await mergeItems(this.#store, register, merging, signal);
      const end = await this.#store.write(objectKey(register.id), revision, toText(merged, registerFormat), signal);
      if (end.status === 'written') current = { register: merged, revision: end.register.revision };
    }
    const known = isPristine(register)
      ? undefined
      : {
          settledVersion: register.settledVersion,
          settled: register.isReopened && hasLineHashes ? startOfObject : register.settled,
          hasLineHashes,
        };
    const settledLinesOf = (lost: AbortSignal) =>
      settledLines(this.#store, current.register, AbortSignal.any([signal, lost]));
    return new SharedClaim(
      structuredClone(current.register),
      current.revision,
      this.#replicas.id,
      { known, announcements: announced, settledLines: settledLinesOf },
      {
        store: this.#store,
        clock,
        newToken: () => this.#newToken(),
        expiresAtMs: expiry,
        closing: this.#closing.signal,
        aside,
        isRenewed: () => this.#replicas.isRenewed,
        recordEvent: (...event) => this.#workspaces.recordEvent(...event),
        onLost: () => this.#observe({ kind: 'claimLost' }),
        onRelease: () => this.#claims.delete(register.id),
      },
    );
  }

  #remember(object: DeliveredObject, { settledFault }: ObjectRegister): void {
    this.#settled.add(object);
    if (settledFault === undefined) this.#settledFaults.delete(object.origin.id);
    else this.#settledFaults.set(object.origin.id, settledFault);
  }

  async #isHeldElsewhere({ owner }: ObjectRegister, signal: AbortSignal): Promise<boolean> {
    return owner !== undefined && owner !== this.#replicas.id && (await this.#replicas.isAlive(owner, signal));
  }

  /** As SQLite does: only once a version was settled completely. */
  #isDropped({ origin }: DeliveredObject, { settledVersion }: ObjectRegister): boolean {
    if (settledVersion === undefined) return false;
    return (origin.date ?? utcDate(settledVersion.modifiedAtMs)) < this.#droppedBefore;
  }

  #forgetSettled(): void {
    this.#settled = new SettledVersions(this.hashSecret);
  }

  #newToken(): string {
    return this.#newId().slice(0, 8);
  }

  get #openedMeta(): Meta {
    if (this.#meta === undefined) throw new Error('the state is open');
    return this.#meta;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** A version that comes back while another one is being visited is not settled: that visit will replace the settled version. */
function isSettled({ version }: DeliveredObject, { owner, settledVersion }: ObjectRegister): boolean {
  return owner === undefined && settledVersion?.etag === version.etag;
}

function explainNotAvailable(name: string): AgentError {
  return new AgentError('ERR_STATE_UNAVAILABLE', `The shared state ${name} was not available for a minute`, {
    hint: 'The error before this one in the log has the cause. Start the agent again when the store can be reached.',
  });
}
