/**
 * What a backend is for the compiler: a condition becomes the text of a query, or is refused.
 */
import { isIP } from 'node:net';
import type { Condition, Pattern } from '../condition.ts';
import type { Attribute } from '../fields.ts';

export interface QueryBackend {
  /** For messages: `Loki`. */
  readonly name: string;
  /** How this backend calls an attribute. */
  fieldName(attribute: Attribute): string;
  /**
   * @param attributeOf throws for a field that no attribute holds.
   * @throws Refusal for what the backend would accept and never find.
   */
  query(condition: Condition, attributeOf: (field: string) => Attribute): string;
}

/** Conversions of the mapping that give numbers. */
const numericConversions: readonly string[] = ['integer', 'http_status', 'ip_port', 'seconds_after_event'];

/** Whether the attribute is a number in every record that has it. */
export function isNumeric({ as, insideMap }: Attribute): boolean {
  return !insideMap && numericConversions.includes(as);
}

/**
 * The mapping takes port and zone away and leaves out what is no address. Of a network, backends differ: Elasticsearch would
 * look into it, and Loki would compare the text.
 *
 * @throws Refusal for a value that such an attribute never has.
 */
export function checkAddresses(backend: string, { name, as }: Attribute, values: readonly string[]): void {
  const other = as === 'ip_address' ? values.find((value) => isIP(value) === 0 || value.includes('%')) : undefined;
  if (other !== undefined)
    throw new Refusal(
      `${backend} holds plain IP addresses in ${name}, which ${other} is not; for a network use the modifier cidr`,
    );
}

/** Something that a backend would accept and silently get wrong. */
export class Refusal extends Error {}

/** All literal parts of a pattern, and what stands for the wildcards. */
export function writePattern(pattern: Pattern, literal: (text: string) => string, any: string, one: string): string {
  return pattern
    .map((part) => (typeof part === 'string' ? literal(part) : part.description === 'any text' ? any : one))
    .join('');
}
