/**
 * What the state knows of objects that are settled and not opened again, although they could not be read as they should be: a
 * process that did not read them itself must not say that all is well.
 */
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { AgentEvent, Observer } from '../contracts/observer.ts';
import type { SettledFault } from '../contracts/settled-fault.ts';
import type { DeliveredObject, ObjectId } from '../model/object.ts';

export interface SettledFaultsParts {
  readonly state: Pick<DeliveryState, 'settledFaults'>;
  readonly observe: Observer;
}

const reportedMax = 10_000;

export class SettledFaults {
  readonly #parts: SettledFaultsParts;
  /** Status and code of the faults that observers know of. */
  readonly #reported = new Map<ObjectId, string>();

  constructor(parts: SettledFaultsParts) {
    this.#parts = parts;
  }

  /** Passes the event on. A visit reports its fault itself. */
  observe(event: AgentEvent): void {
    if (event.kind === 'objectVisited' && event.fault !== undefined && event.status !== 'released')
      this.#remember(event.objectId, nameOf({ status: event.status, code: event.fault.code }));
    this.#parts.observe(event);
  }

  /** Reports what has changed since the last look. @param objects of a listing, whose version is settled. */
  async look(source: string, objects: readonly DeliveredObject[]): Promise<void> {
    const { state, observe } = this.#parts;
    const faults = await state.settledFaults(objects);
    for (const { origin } of objects) {
      const { id: objectId, workspaceId } = origin;
      const fault = faults.get(objectId);
      const name = fault && nameOf(fault);
      if (name === this.#reported.get(objectId)) continue;
      if (name === undefined) this.#reported.delete(objectId);
      else this.#remember(objectId, name);
      observe({ kind: 'settledFaultKnown', source, objectId, workspaceId, fault });
    }
  }

  #remember(id: ObjectId, name: string): void {
    if (this.#reported.has(id) || this.#reported.size < reportedMax) this.#reported.set(id, name);
  }
}

/** Another process may have read another version, and found something else wrong with it. */
function nameOf({ status, code }: { readonly status: string; readonly code: SettledFault['code'] }): string {
  return `${status} ${code}`;
}
