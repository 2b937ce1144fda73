/**
 * From the raw field names of rules to attributes: they are looked up in the mapping, after all of its layers. A renamed
 * attribute changes the queries, and a rule for one that is gone is a mistake.
 */

/** What is needed of a mapping; the one that `loadMapping` gives fits. */
export interface MappingTables {
  readonly scopeAttributes: ReadonlyMap<string, string>;
  readonly eventName: string;
  readonly resource: ReadonlyMap<string, readonly (AttributeRule & { readonly value?: string | undefined })[]>;
  readonly attributes: ReadonlyMap<string, readonly AttributeRule[]>;
}

interface AttributeRule {
  readonly from?: readonly string[] | undefined;
  readonly as: string;
  readonly flag?: string | undefined;
  readonly when?: unknown;
}

export interface Attribute {
  /** Such as `databricks.audit.action.name`, or `databricks.request.params.targetGroupName`. */
  readonly name: string;
  /** How the mapping converts it. */
  readonly as: string;
  /** Part of a map that was taken over whole. */
  readonly insideMap: boolean;
  readonly ofResource: boolean;
}

/**
 * In front of the name of an attribute that has no field of its own in the record: `otel.databricks.request.truncated`.
 * Sigma has no notation for that; the pipeline for other backends takes the prefix away.
 */
const attributePrefix = 'otel.';

/**
 * Conversions whose result is the field as rules mean it: an address without its port, a status as a number. All others keep
 * some values only (`ip_port`, `email_address`, `not_http_status`) or say something about them (`principal_type`), so that a
 * rule that asked them for the field would look right and never find anything. Rules name such attributes with the prefix.
 */
const holdingConversions: readonly string[] = [
  'string',
  'integer',
  'boolean',
  'json_text',
  'http_status',
  'ip_address',
  'record_uid',
  'map',
  'list',
];

/**
 * Undefined when no attribute holds the field. The field itself comes before a map with it, and then the order of the mapping
 * decides, in which a layer's additions come last.
 */
export function attributeOf(field: string, mapping: MappingTables): Attribute | undefined {
  if (field.startsWith(attributePrefix)) return namedAttribute(field.slice(attributePrefix.length), mapping);
  const candidates = candidatesFor(field, mapping);
  return candidates.find(({ insideMap }) => !insideMap) ?? candidates[0];
}

function namedAttribute(name: string, { attributes, resource }: MappingTables): Attribute | undefined {
  const rules = attributes.get(name);
  if (rules !== undefined) return { name, as: rules[0]?.as ?? 'string', insideMap: false, ofResource: false };
  if (resource.has(name)) return { name, as: 'string', insideMap: false, ofResource: true };
  const isFlag = [...attributes.values()].some((all) => all.some(({ flag }) => flag === name));
  return isFlag ? { name, as: 'boolean', insideMap: false, ofResource: false } : undefined;
}

function candidatesFor(field: string, { attributes, resource }: MappingTables): Attribute[] {
  return [
    ...[...attributes].flatMap(([name, rules]) => rules.flatMap((rule) => candidatesOf(field, name, rule, false))),
    ...[...resource].flatMap(([name, rules]) => rules.flatMap((rule) => candidatesOf(field, name, rule, true))),
  ];
}

function candidatesOf(field: string, name: string, rule: AttributeRule, ofResource: boolean): Attribute[] {
  // With a condition, it holds the field of some records only.
  if (rule.when !== undefined || !holdingConversions.includes(rule.as)) return [];
  const segments = field.split('.');
  return (rule.from ?? []).flatMap((path) => {
    const spellings = path.split('.').map((segment) => segment.split('|'));
    if (path.startsWith('$') || !spellings.every((keys, index) => keys.includes(segments[index] ?? ''))) return [];
    const rest = segments.slice(spellings.length);
    const insideMap = rest.length > 0;
    if (insideMap && rule.as !== 'map') return [];
    return [{ name: [name, ...rest].join('.'), as: insideMap ? 'string' : rule.as, insideMap, ofResource }];
  });
}
