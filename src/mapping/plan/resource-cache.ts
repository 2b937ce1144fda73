/**
 * The resources of the records: one for each account and workspace, encoded once.
 */
import { type EncodedResource, encodeResource } from '../writers/envelope.ts';

/** Accounts have fewer workspaces; records with made-up ids must not fill the memory. */
const cachedResourcesMax = 1000;

export class ResourceCache {
  readonly #keys: readonly string[];
  readonly #overrides: readonly (readonly [key: string, value: string])[];
  readonly #resources = new Map<string, EncodedResource>();
  /** Of the last record; nearly always those of the next one too. */
  #lastDelivered: readonly (string | undefined)[] = [];
  #last: EncodedResource | undefined;

  /**
   * @param keys of the attributes.
   * @param overrides attributes that are the same for all resources, whatever the record says.
   */
  constructor(keys: readonly string[], overrides: Readonly<Record<string, string>>) {
    this.#keys = keys;
    this.#overrides = Object.entries(overrides);
  }

  /** @param delivered values of the attributes, in their order. */
  of(delivered: readonly (string | undefined)[]): EncodedResource {
    const isLast = delivered.every((value, index) => value === this.#lastDelivered[index]);
    if (this.#last === undefined || !isLast) this.#last = this.#find(delivered);
    this.#lastDelivered = delivered;
    return this.#last;
  }

  #find(delivered: readonly (string | undefined)[]): EncodedResource {
    // As they are sent: two broken texts may become the same one, and its records belong together.
    const values = delivered.map((value, index) => (this.#isOverridden(index) ? undefined : value?.toWellFormed()));
    const identity = JSON.stringify(values);
    const known = this.#resources.get(identity);
    if (known !== undefined) return known;
    const attributes = this.#keys.flatMap((key, index) => {
      const value = values[index];
      return value === undefined || value === '' || key === '' ? [] : [[key, value] as const];
    });
    for (const [key, value] of this.#overrides) {
      if (key !== '' && value !== '') attributes.push([key, value.toWellFormed()]);
    }
    const resource = encodeResource(identity, attributes);
    if (this.#resources.size >= cachedResourcesMax) this.#resources.clear();
    this.#resources.set(identity, resource);
    return resource;
  }

  #isOverridden(index: number): boolean {
    return this.#overrides.some(([key]) => key === this.#keys[index]);
  }
}
