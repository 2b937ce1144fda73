/**
 * Whether objects of a source were delivered before, according to the state. They may have been removed since, as by a lifecycle rule,
 * so a source without any is neither empty yet nor wrong.
 */
import type { ListingRequest } from '../contracts/source.ts';

export class DeliveredBefore {
  readonly #idsBeginWith: readonly string[];
  #answer: boolean | undefined;

  /** @param idsBeginWith every id of an object of the source begins with one of these, and no other id does. */
  constructor(idsBeginWith: readonly string[]) {
    this.#idsBeginWith = idsBeginWith;
  }

  /** Asks once, because a shared state may have to be read as a whole for it. */
  async ask({ knowsAny }: Pick<ListingRequest, 'knowsAny'>): Promise<boolean> {
    this.#answer ??= await knowsAny?.(this.#idsBeginWith);
    return this.#answer ?? false;
  }
}
