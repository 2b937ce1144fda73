/**
 * What every format is given besides the rules.
 */
import { type Attribute, attributeOf, type MappingTables } from './fields.ts';
import type { Level } from './rule.ts';

export interface PackOptions {
  /** Of the mapping, to name them in a file. */
  readonly layers: readonly string[];
  readonly mapping: MappingTables;
  /** The `service.name` of the records, which is a stream of Loki. */
  readonly serviceName: string;
  /** How late a record may be and still count. */
  readonly delayMs: number;
  /** The lowest level that is written. */
  readonly level: Level;
  /** For Loki: single-event rules of a level become one query. */
  readonly allInOne: boolean;
}

export interface PackContext extends PackOptions {
  /** @throws Error for a field that no attribute holds. */
  readonly attributeOf: (field: string) => Attribute;
}

export function contextOf(options: PackOptions): PackContext {
  return {
    ...options,
    attributeOf: (field) => {
      const attribute = attributeOf(field, options.mapping);
      if (attribute === undefined) throw new Error(`the mapping has no attribute for the field ${field}`);
      return attribute;
    },
  };
}
