/**
 * The resources of the records: one for each account and workspace, encoded once.
 */
import type { MappingInput, ResourceAttribute } from './compile.ts';
import { type EncodedResource, encodeResource } from './writers/envelope.ts';

/** Accounts have fewer workspaces; records with made-up ids must not fill the memory. */
const cachedResourcesMax = 1000;

export class ResourceCache {
  readonly #attributes: readonly ResourceAttribute[];
  readonly #resources = new Map<string, EncodedResource>();
  /** Of the last record; nearly always those of the next one too. */
  #lastValues: (string | undefined)[] = [];
  #last: EncodedResource | undefined;

  /** @param overrides attributes that are the same for all resources, whatever the record says. */
  constructor(attributes: readonly ResourceAttribute[], overrides: Readonly<Record<string, string>>) {
    const fixed = new Map(Object.entries(overrides));
    this.#attributes = [
      ...attributes.filter(({ key }) => !fixed.has(key)),
      ...[...fixed].map(([key, value]) => ({ key, read: () => value })),
    ];
  }

  of(input: MappingInput): EncodedResource {
    if (this.#last === undefined || !this.#isLast(input)) {
      this.#lastValues = this.#attributes.map(({ read }) => read(input));
      this.#last = this.#find(this.#lastValues);
    }
    return this.#last;
  }

  #isLast(input: MappingInput): boolean {
    let index = 0;
    for (const { read } of this.#attributes) if (read(input) !== this.#lastValues[index++]) return false;
    return true;
  }

  #find(delivered: readonly (string | undefined)[]): EncodedResource {
    // As they are sent: two broken texts may become the same one, and its records belong together.
    const values = delivered.map((value) => value?.toWellFormed());
    const identity = JSON.stringify(values);
    const known = this.#resources.get(identity);
    if (known !== undefined) return known;
    const attributes = this.#attributes.flatMap(({ key }, index) => {
      const value = values[index];
      return value === undefined || value === '' || key === '' ? [] : [[key, value] as const];
    });
    const resource = encodeResource(identity, attributes);
    if (this.#resources.size >= cachedResourcesMax) this.#resources.clear();
    this.#resources.set(identity, resource);
    return resource;
  }
}
