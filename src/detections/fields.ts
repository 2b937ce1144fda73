/**
 * From the raw field names of rules to attributes: they are looked up in the mapping, after all of its layers. A renamed
 * attribute changes the queries, and a rule for one that is gone is a mistake.
 */

/** What is needed of a mapping; the one that `loadMapping` gives fits. */
export interface MappingTables {
  readonly eventName: string;
  readonly resource: ReadonlyMap<
    string,
    readonly { readonly from?: readonly string[] | undefined; readonly value?: string | undefined }[]
  >;
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

/** Conversions that say something about a field instead of giving its value; rules name such attributes with the prefix. */
const derivedConversions: readonly string[] = ['principal_type', 'seconds_after_event'];

interface Candidate {
  readonly attribute: Attribute;
  /** Smaller is better, from the first difference on. */
  readonly rank: readonly number[];
}

/** Undefined when no attribute holds the field. */
export function attributeOf(field: string, mapping: MappingTables): Attribute | undefined {
  if (field.startsWith(attributePrefix)) return namedAttribute(field.slice(attributePrefix.length), mapping);
  return candidatesFor(field, mapping).toSorted(byRank)[0]?.attribute;
}

function namedAttribute(name: string, { attributes, resource }: MappingTables): Attribute | undefined {
  const rules = attributes.get(name);
  if (rules !== undefined) return { name, as: rules[0]?.as ?? 'string', insideMap: false, ofResource: false };
  if (resource.has(name)) return { name, as: 'string', insideMap: false, ofResource: true };
  const isFlag = [...attributes.values()].some((all) => all.some(({ flag }) => flag === name));
  return isFlag ? { name, as: 'boolean', insideMap: false, ofResource: false } : undefined;
}

function* candidatesOf(field: string, name: string, rule: AttributeRule, ofResource: boolean): Generator<Candidate> {
  if (derivedConversions.includes(rule.as)) return;
  const segments = field.split('.');
  for (const path of rule.from ?? []) {
    const spellings = path.split('.').map((segment) => segment.split('|'));
    if (path.startsWith('$') || !spellings.every((keys, index) => keys.includes(segments[index] ?? ''))) continue;
    const rest = segments.slice(spellings.length);
    if (rest.length > 0 && rule.as !== 'map') continue;
    yield {
      attribute: {
        name: [name, ...rest].join('.'),
        as: rest.length > 0 ? 'string' : rule.as,
        insideMap: rest.length > 0,
        ofResource,
      },
      // What holds always before what holds sometimes, the field itself before a map with it, and the text before what is made of it.
      rank: [Number(rule.when !== undefined), rest.length, Number(rule.as !== 'string' && rule.as !== 'map')],
    };
  }
}

function candidatesFor(field: string, { attributes, resource }: MappingTables): Candidate[] {
  return [
    ...[...attributes].flatMap(([name, rules]) => rules.flatMap((rule) => [...candidatesOf(field, name, rule, false)])),
    ...[...resource].flatMap(([name, rules]) =>
      rules.flatMap((rule) => [...candidatesOf(field, name, { ...rule, as: 'string' }, true)]),
    ),
  ];
}

function byRank(one: Candidate, other: Candidate): number {
  const index = one.rank.findIndex((value, position) => value !== other.rank[position]);
  return index === -1 ? 0 : (one.rank[index] ?? 0) - (other.rank[index] ?? 0);
}
