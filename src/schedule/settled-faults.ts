/**
 * What the state knows of objects that are settled and not opened again, although they could not be read as they should be: a
 * process that did not read them itself must not say that all is well.
 */
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { AgentEvent, Observer } from '../contracts/observer.ts';
import type { DeliveredObject, ObjectId } from '../model/object.ts';

export interface SettledFaultsParts {
  readonly state: Pick<DeliveryState, 'settledFaults'>;
  readonly observe: Observer;
}

const reportedMax = 10_000;

export class SettledFaults {
  readonly #parts: SettledFaultsParts;
  /** Objects with a fault that observers know of. */
  readonly #reported = new Set<ObjectId>();

  constructor(parts: SettledFaultsParts) {
    this.#parts = parts;
  }

  /** Passes the event on. A visit reports its fault itself. */
  observe(event: AgentEvent): void {
    if (event.kind === 'objectVisited' && event.fault !== undefined && event.status !== 'released')
      this.#remember(event.objectId);
    this.#parts.observe(event);
  }

  /** Reports what has changed since the last look. @param objects of a listing, whose version is settled. */
  async look(source: string, objects: readonly DeliveredObject[]): Promise<void> {
    const { state, observe } = this.#parts;
    const faults = await state.settledFaults(objects);
    for (const { origin } of objects) {
      const { id: objectId, workspaceId } = origin;
      const fault = faults.get(objectId);
      if ((fault !== undefined) === this.#reported.has(objectId)) continue;
      if (fault === undefined) this.#reported.delete(objectId);
      else this.#remember(objectId);
      observe({ kind: 'settledFaultKnown', source, objectId, workspaceId, fault });
    }
  }

  #remember(id: ObjectId): void {
    if (this.#reported.size < reportedMax) this.#reported.add(id);
  }
}
