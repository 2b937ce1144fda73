/**
 * Copies a shared state from and to another state, while no replica is running.
 */
import { randomUUID } from 'node:crypto';
import type { SettledLines } from '../contracts/delivery-state.ts';
import type { SourceIdentity } from '../contracts/source.ts';
import type { ObjectContents, StateContents } from '../contracts/state-copy.ts';
import { AgentError } from '../model/agent-error.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { joinedByTime, sortKeyOf, toContents, toSettledContents } from './batch-items.ts';
import { expiresAtMs } from './expiry.ts';
import { beginCopy, endCopy, newMeta, readMeta } from './meta.ts';
import { readItems } from './object-items.ts';
import {
  isObjectKey,
  newObjectRegister,
  objectKey,
  parseObjectRegister,
  partitionOf,
  startOfObject,
  toText,
  type VisitItems,
} from './object-register.ts';
import { allOf, PatientStore } from './patient-store.ts';
import { registerFormat } from './register-format.ts';
import { lookIntervalMsDefault, looksUntilDead, replicaPartition } from './replicas.ts';
import type { SharedStore } from './store.ts';
import { Workspaces } from './workspaces.ts';

export interface SharedCopyOptions {
  /** Closed with the contents, or at the end of the copy. */
  readonly store: SharedStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Undefined if no replica has ever used the state. Rejects with ERR_STATE_LOCKED if a replica is running, with ERR_STATE_INCOMPLETE, and
 * as the store does.
 */
export async function openSharedContents(
  options: SharedCopyOptions,
  signal: AbortSignal,
): Promise<StateContents | undefined> {
  const { store } = options;
  try {
    const patient = patientStore(options);
    const meta = await readMeta(patient, signal);
    if (meta !== undefined) {
      await expectNobody(options, signal);
      const workspaces = await new Workspaces(patient, () => options.clock.nowMs()).all(signal);
      return {
        ...meta,
        workspaces,
        objects: () => objectsOf(store, patient, signal),
        close: () => store.close(),
      };
    }
  } catch (error) {
    await store.close();
    throw error;
  }
  await store.close();
  return undefined;
}

/**
 * Fills an empty store. Nobody uses the state before it is complete, and a copy that was interrupted can be repeated.
 * @param sources those that the state is for.
 * @param onObject called after each object.
 * Rejects with ERR_STATE_EXISTS if the store is in use already or another state was being copied into it, and as the store does.
 */
export async function fillStoreFrom(
  options: SharedCopyOptions & { readonly sources: readonly SourceIdentity[]; readonly lookbackDays: number },
  contents: StateContents,
  onObject: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { store, sources, lookbackDays, clock } = options;
  const patient = patientStore(options);
  try {
    const { hashSecret, createdOn } = contents;
    const meta = newMeta({ hashSecret, createdOn }, sources);
    const begun = await beginCopy(patient, meta, signal);
    if (begun === undefined) throw explainExists(store.name);
    for await (const object of contents.objects()) {
      await writeObject(patient, object, expiresAtMs(object, lookbackDays, clock.nowMs()), signal);
      onObject();
    }
    const workspaces = new Workspaces(patient, () => clock.nowMs());
    for (const events of contents.workspaces) await workspaces.write(events, signal);
    if (!(await endCopy(patient, begun, meta, signal))) throw explainTakenOver(store.name);
  } finally {
    await store.close();
  }
}

/** Repeats what is throttled, as long as it takes: a copy has no other work. */
function patientStore({ store, clock, logger }: SharedCopyOptions): PatientStore {
  return new PatientStore(store, { clock, logger, newId: randomUUID, closing: new AbortController().signal });
}

/** Nobody can lock a shared state, so the counters tell whether somebody is using it. */
async function expectNobody({ store, clock }: SharedCopyOptions, signal: AbortSignal): Promise<void> {
  const look = async () =>
    new Map((await allOf(store.registers(replicaPartition, signal))).map(({ key, revision }) => [key.sort, revision]));
  const before = await look();
  if (before.size === 0) return;
  await clock.sleep((looksUntilDead + 1) * lookIntervalMsDefault, signal);
  const after = await look();
  if (![...after].some(([id, revision]) => before.get(id) !== revision)) return;
  throw new AgentError('ERR_STATE_LOCKED', `Replicas are using the shared state ${store.name}`, {
    hint: 'Stop all of them before the state is copied.',
  });
}

async function* objectsOf(
  store: SharedStore,
  patient: PatientStore,
  signal: AbortSignal,
): AsyncIterable<ObjectContents> {
  for await (const page of store.scan(signal)) {
    for (const { key } of page) {
      if (!isObjectKey(key)) continue;
      // A scan may be out of date.
      const found = await patient.read(key, signal);
      const register = found && parseObjectRegister(key, found);
      if (register === undefined) continue;
      if (register === 'newer') {
        throw new AgentError('ERR_STATE_NEWER', `A newer version of the agent wrote ${key.partition}`, {
          hint: 'Copy the state with that version.',
        });
      }
      const settledLines: SettledLines[] = [];
      const items = await readItems(patient, register, signal, (lines) => settledLines.push(lines));
      const {
        id,
        workspaceId,
        date,
        settledVersion,
        settledFault,
        isReopened,
        acceptedCount,
        deadLetteredCount,
        unparsedCount,
      } = register;
      // The next visit compares every line, as it would have done before the copy.
      const settled = isReopened && items.isComplete ? startOfObject : register.settled;
      yield {
        id,
        workspaceId,
        date,
        state: { settledVersion, settledFault, settled, hasLineHashes: items.isComplete },
        announcements: items.announced,
        settledLines: items.isComplete ? settledLines : [],
        acceptedCount,
        deadLetteredCount,
        unparsedCount,
      };
    }
  }
}

async function writeObject(
  patient: PatientStore,
  object: ObjectContents,
  expiry: number,
  signal: AbortSignal,
): Promise<void> {
  const { id, state, announcements, settledLines, acceptedCount, deadLetteredCount, unparsedCount } = object;
  const partition = partitionOf(id);
  const epoch = 1;
  const [settledToken, announcedToken] = [randomUUID().slice(0, 8), randomUUID().slice(0, 8)];
  const merged = joinedByTime(settledLines).flatMap(toSettledContents);
  for (const [number, content] of merged.entries()) {
    const sort = sortKeyOf('merged', { epoch, token: settledToken }, number);
    await patient.put({ key: { partition, sort }, content, expiresAtMs: expiry }, signal);
  }
  const announced = announcements.flatMap(toContents);
  for (const [number, content] of announced.entries()) {
    const sort = sortKeyOf('announced', { epoch, token: announcedToken }, number);
    await patient.put({ key: { partition, sort }, content, expiresAtMs: expiry }, signal);
  }
  const counts = { mergedCount: 0, settledCount: 0, admittedCount: announced.length, extraCount: 0 };
  const visit: VisitItems = { epoch, token: announcedToken, ...counts };
  const register = {
    ...newObjectRegister(object),
    epoch,
    settledVersion: state.settledVersion,
    settledFault: state.settledFault,
    settled: state.settled,
    hasLineHashes: state.hasLineHashes,
    merged: merged.length === 0 ? undefined : { epoch, token: settledToken, count: merged.length },
    visits: announced.length === 0 ? [] : [visit],
    acceptedCount,
    deadLetteredCount,
    unparsedCount,
  };
  await patient.update(objectKey(id), () => toText(register, registerFormat), signal);
}

function explainTakenOver(name: string): AgentError {
  return new AgentError('ERR_STATE_EXISTS', `Another copy into the shared state ${name} has begun since`, {
    hint: 'Let one copy at a time run to its end.',
  });
}

function explainExists(name: string): AgentError {
  const reason = 'is in use already, or a copy of another state into it was interrupted';
  return new AgentError('ERR_STATE_EXISTS', `The shared state ${name} ${reason}; nothing was changed`, {
    hint: 'Copy to a table or schema that `databricks-audit-otel state init` has just created.',
  });
}
