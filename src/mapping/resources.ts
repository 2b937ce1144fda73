/**
 * The resources of records, one per account and workspace.
 */
import type { Buffer } from 'node:buffer';
import type { Resource } from '../otlp/request.ts';
import type { Mapping } from './mapping-file.ts';

/** More than an account has workspaces. Invalid ids must not exhaust memory. */
const knownResourcesMax = 1000;

export class Resources {
  readonly #mapping: Mapping;
  readonly #keys: readonly string[];
  readonly #fixed: Readonly<Record<string, string>>;
  readonly #known = new Map<string, Resource>();

  /**
   * @param keys of the attributes that come from records.
   * @param fixed attributes that all resources have; they override those from records.
   */
  constructor(mapping: Mapping, keys: readonly string[], fixed: Readonly<Record<string, string>>) {
    this.#mapping = mapping;
    this.#keys = keys;
    this.#fixed = fixed;
  }

  /** @param found the values of the keys, each as its size in four bytes (0 without a value) and its string. */
  of(found: Buffer): Resource {
    const identity = found.toString('latin1');
    const known = this.#known.get(identity);
    if (known !== undefined) return known;
    if (this.#known.size >= knownResourcesMax) this.#known.clear();
    const resource = { identity, attributes: this.#attributesOf(found) };
    this.#known.set(identity, resource);
    return resource;
  }

  #attributesOf(found: Buffer): (readonly [string, string])[] {
    const values = new Map<string, string>();
    let at = 0;
    for (const key of this.#keys) {
      const start = at + Uint32Array.BYTES_PER_ELEMENT;
      at = start + found.readUInt32LE(at);
      values.set(key, found.toString('utf8', start, at));
    }
    const fromRecords = [...this.#mapping.resource].flatMap(([key, rules]) => {
      const text = rules[0]?.value ?? values.get(key) ?? '';
      return text === '' || Object.hasOwn(this.#fixed, key) ? [] : [[key, text] as const];
    });
    const fixed = Object.entries(this.#fixed).filter(([key, value]) => key !== '' && value !== '');
    return [...fromRecords, ...fixed.map(([key, value]) => [key, value.toWellFormed()] as const)];
  }
}
