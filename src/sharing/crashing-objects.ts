/**
 * Objects that end the process that reads them. Without a limit, such an object would go from replica to replica and take down all
 * of them, so it waits from its third takeover on: a minute first, and an hour at most. Other objects go on.
 */
import { AgentError } from '../model/agent-error.ts';
import type { ObjectId } from '../model/object.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ObjectRegister } from './object-register.ts';

const takeoversAtOnce = 2;
const [firstWaitMs, lastWaitMs] = [60_000, 3_600_000];

export class CrashingObjects {
  readonly #clock: Clock;
  /** When this process first saw the object as it is. */
  readonly #seen = new Map<ObjectId, { readonly revision: string; readonly sinceMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws AgentError ERR_OBJECT_CRASHES if the object must not be taken over yet. */
  check({ id, takeoverCount }: ObjectRegister, revision: string): void {
    if (takeoverCount < takeoversAtOnce) return;
    const nowMs = this.#clock.nowMs();
    const seen = this.#seen.get(id);
    if (seen?.revision !== revision || nowMs < seen.sinceMs) this.#seen.set(id, { revision, sinceMs: nowMs });
    const waitMs = Math.min(firstWaitMs * 2 ** (takeoverCount - takeoversAtOnce), lastWaitMs);
    if (nowMs - (this.#seen.get(id)?.sinceMs ?? nowMs) >= waitMs) return void this.#seen.delete(id);
    throw new AgentError(
      'ERR_OBJECT_CRASHES',
      `${takeoverCount + 1} processes in a row ended while they were reading ${id}; it is tried again after ${waitMs / 60_000} min`,
      {
        hint: 'Look at the logs of the processes that ended: out of memory is the usual cause. Other objects are shipped.',
      },
    );
  }
}
