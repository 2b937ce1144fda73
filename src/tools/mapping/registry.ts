/**
 * The attributes that a mapping and the agent define, as a registry of OpenTelemetry semantic conventions (the format of
 * https://github.com/open-telemetry/weaver/blob/main/schemas/semconv-syntax.md): mappings/registry/ (`npm run docs`).
 */
import { stringify } from 'yaml';
import { conversionTypes, type Mapping, principalTypes, type ResourceRule, type Rule } from '../../mapping/index.ts';
import {
  alertAttributes,
  alertEvents,
  locationAttributes,
  metricAttributes,
  type OwnAttribute,
} from '../../model/own-attributes.ts';

export interface RegistryNamespace {
  /** The first segment of the attributes' names. */
  readonly name: string;
  /** For people: `Databricks`. */
  readonly displayName: string;
}

/** By the name of an attribute. */
export type RegistryExamples = ReadonlyMap<string, readonly (string | number)[]>;

/** All attributes that we define are in development, until others depend on them. */
const stability = 'development';

interface RegistryAttribute {
  readonly id: string;
  readonly type: string | { readonly members: readonly object[] };
  readonly stability: typeof stability;
  readonly brief: string;
  readonly note?: string;
  readonly examples?: readonly (string | number)[];
}

/**
 * A group of all attributes in the namespace, and a group for each event, which refers to them.
 * @throws Error for an attribute without a brief, or a string without an example.
 */
export function renderRegistry(
  mapping: Mapping,
  { name, displayName }: RegistryNamespace,
  examples: RegistryExamples,
): string {
  const isOurs = (target: string) => target.startsWith(`${name}.`);
  const ofResource = [...mapping.resource].filter(([target]) => isOurs(target));
  const ofRecord = [...mapping.attributes].filter(([target]) => isOurs(target));
  const flags = [...flagsOf(mapping)].filter(([flag]) => isOurs(flag));
  const attributes = [
    ...[...ofResource, ...ofRecord].map(([target, rules]) => attributeOf(target, rules, examples)),
    ...flags.map(([flag, brief]): RegistryAttribute => ({ id: flag, type: 'boolean', stability, brief })),
    ...ownAttributes.filter(({ id }) => isOurs(id)),
  ].toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const ofAudit = attributes.map(({ id }) => id).filter((id) => !mapping.resource.has(id) && !isOfAgent(id));
  const event = (eventName: string, brief: string, ids: readonly string[] = ofAudit) => ({
    id: `event.${eventName}`,
    type: 'event',
    name: eventName,
    stability,
    brief,
    ...(ids.length === 0 ? {} : { attributes: ids.map((id) => ({ ref: id })) }),
  });
  const groups = [
    {
      id: `registry.${name}`,
      type: 'attribute_group',
      display_name: `${displayName} Attributes`,
      brief: `Attributes of audit events of ${displayName}.`,
      attributes,
    },
    event(mapping.eventName, `An audit event of ${displayName}. The body is the record as delivered.`),
    event(
      mapping.unparsed.event,
      `A line that is no audit record of ${displayName}. The body is the line as delivered.`,
    ),
    ...Object.entries(alertEvents)
      .filter(([eventName]) => isOurs(eventName))
      .map(([eventName, { brief, attributes: ids }]) => event(eventName, brief, ids)),
  ];
  return `# Written by \`npm run docs\` from mappings/${name}-audit.yaml and src/model/own-attributes.ts.\n${stringify({ groups }, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

const ownAttributes = Object.entries({ ...locationAttributes, ...alertAttributes, ...metricAttributes }).map(
  ([id, { type, brief, examples }]: [string, OwnAttribute]): RegistryAttribute => ({
    id,
    type,
    stability,
    brief,
    examples,
  }),
);

/** No audit event has it. */
function isOfAgent(id: string): boolean {
  return id in alertAttributes || id in metricAttributes;
}

function attributeOf(
  target: string,
  rules: readonly (Rule | ResourceRule)[],
  examples: RegistryExamples,
): RegistryAttribute {
  const brief = rules.find((rule) => rule.brief !== undefined)?.brief;
  if (brief === undefined) throw new Error(`${target}: expected a brief in one of its rules`);
  const type = typeOf(rules);
  // Those of constants are with the members.
  const notes = new Set(rules.flatMap(({ value, why }) => (value === undefined ? (why?.trim() ?? []) : [])));
  const found = examples.get(target);
  const needsExample = type === 'string';
  if (needsExample && found === undefined) throw new Error(`${target}: expected an example in the golden pairs`);
  return {
    id: target,
    type,
    stability,
    brief: brief.trim(),
    ...(notes.size === 0 ? {} : { note: [...notes].join(' ') }),
    ...(found !== undefined && (needsExample || type === 'int') ? { examples: found } : {}),
  };
}

function typeOf(rules: readonly (Rule | ResourceRule)[]): RegistryAttribute['type'] {
  if (rules.every(({ value }) => typeof value === 'string')) {
    return membersOf(rules.map(({ value, why }) => [String(value), why]));
  }
  const [{ as } = { as: 'string' as const }] = rules;
  if (as === 'principal_type') return membersOf(principalTypes.map((type) => [type, undefined]));
  // Maps and lists hold whatever the record does.
  if (as === 'map' || as === 'list') return 'any';
  const type = conversionTypes[as];
  return type === 'bool' ? 'boolean' : type;
}

/** @param values which may recur, each with what is known of it. */
function membersOf(values: readonly (readonly [string, string | undefined])[]): RegistryAttribute['type'] {
  const briefs = new Map<string, string | undefined>();
  for (const [value, why] of values) briefs.set(value, briefs.get(value) ?? why?.trim());
  const members = [...briefs].map(([value, brief]) => ({
    id: value,
    value,
    ...(brief === undefined ? {} : { brief }),
    stability,
  }));
  return { members };
}

/** Each with what it says. */
function flagsOf({ attributes, limits }: Mapping): Map<string, string> {
  const flags = new Map([[limits.flag, 'Whether an attribute without a flag of its own was truncated.']]);
  for (const [target, rules] of attributes) {
    for (const { flag, as } of rules) {
      const happened = as === 'map' || as === 'list' ? 'is incomplete because it exceeded its limits' : 'was truncated';
      if (flag !== undefined) flags.set(flag, `Whether \`${target}\` ${happened}.`);
    }
  }
  return flags;
}
