/**
 * Ships what is new in one version of one object. docs/delivery.md draws the steps and what a kill between any two of
 * them leads to:
 *
 *   open → verify the settled prefix → identify lines → batch → announce → export → settle → finish
 *
 * When the prefix is not what was settled, the object was rewritten, reordered or shrunk: it is read from its start and
 * each line is compared with what was settled.
 */
import type { DeliveryState, ObjectState } from '../contracts/delivery-state.ts';
import { toFault } from '../contracts/observer.ts';
import { reached } from '../contracts/step.ts';
import { AgentError, isAgentError } from '../model/agent-error.ts';
import type { DeliveredObject } from '../model/object.ts';
import { LineHasher } from './line-hash.ts';
import type { ObjectEnd } from './object-end.ts';
import { ObjectReading } from './object-reading.ts';
import { startOfObject } from './prefix-digest.ts';
import type { ShippingParts } from './shipping-parts.ts';

/** True when this version was settled to its end before: there is no need to open it. */
export function isSettled({ origin, version }: DeliveredObject, state: Pick<DeliveryState, 'find'>): boolean {
  return state.find(origin.id)?.settledVersion?.etag === version.etag;
}

export class ObjectShipper {
  readonly #parts: ShippingParts;
  readonly #hasher: LineHasher;

  constructor(parts: ShippingParts) {
    this.#parts = parts;
    this.#hasher = new LineHasher(parts.state.hashSecret);
  }

  isSettled(object: DeliveredObject): boolean {
    return isSettled(object, this.#parts.state);
  }

  /** Rejects with the signal's reason when it is aborted, and with ERR_STATE_DAMAGED. */
  async ship(object: DeliveredObject, signal: AbortSignal): Promise<ObjectEnd> {
    const { state } = this.#parts;
    const known = state.find(object.origin.id) ?? neverSeen;
    if (known.settledVersion?.etag === object.version.etag) return { status: 'unchanged' };
    const end = await this.#shipNewLines(object, known, signal).catch((error: unknown): ObjectEnd => {
      signal.throwIfAborted();
      if (!isAgentError(error) || error.code === 'ERR_STATE_DAMAGED') throw error;
      return { status: 'released', error };
    });
    // Whatever ended is on disk before the object is visited again: the next visit reads the state.
    await state.flush(this.#parts.abandon);
    if (end.status === 'settled') reached('object settled', object.origin.id);
    return end;
  }

  async #shipNewLines(object: DeliveredObject, known: ObjectState, signal: AbortSignal): Promise<ObjectEnd> {
    const end = await this.#reading(object, known, signal).continueBehindSettled();
    if (end !== 'prefixMismatch') return end;
    if (known.hasLineHashes) {
      // When the date of the object left the look-back meanwhile, its line hashes are gone: without them no line would be settled.
      const now = this.#parts.state.find(object.origin.id) ?? neverSeen;
      if (!now.hasLineHashes) return await this.#shipNewLines(object, now, signal);
      return await this.#reading(object, known, signal).compareWithSettled();
    }
    this.#reportRewrittenAfterLookback(object);
    this.#parts.state.forget(object.origin.id);
    // The next reading looks into the state, and must not find there what is to be forgotten.
    await this.#parts.state.flush(this.#parts.abandon);
    return mustMatch(await this.#reading(object, neverSeen, signal).continueBehindSettled());
  }

  #reading(object: DeliveredObject, known: ObjectState, signal: AbortSignal): ObjectReading {
    return new ObjectReading(object, known, this.#parts, this.#hasher, signal);
  }

  #reportRewrittenAfterLookback(object: DeliveredObject): void {
    const err = new AgentError(
      'ERR_OBJECT_REWRITTEN_AFTER_LOOKBACK',
      'An object older than the look-back was rewritten: all of its lines are sent again, with the same log.record.uid',
      { hint: 'If objects are rewritten so late in this bucket, raise DATABRICKS_AUDIT_LOOKBACK.' },
    );
    this.#parts.observe({ kind: 'faultMet', fault: toFault(err) });
    this.#parts.logger.warn({ object: object.origin.id, err }, 'Object sent again');
  }
}

const neverSeen: ObjectState = { settledVersion: undefined, settled: startOfObject, hasLineHashes: true };

function mustMatch(end: ObjectEnd | 'prefixMismatch'): ObjectEnd {
  if (end === 'prefixMismatch') throw new Error('an empty prefix matches every object');
  return end;
}
