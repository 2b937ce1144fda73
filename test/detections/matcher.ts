/**
 * What a rule has to find, worked out in the process: the condition is tried on each mapped record, without any query
 * language. The backends are held against it.
 */
import { BlockList } from 'node:net';
import type { Mapper } from '../../src/contracts/mapper.ts';
import type { Comparison, Condition, Pattern } from '../../src/detections/condition.ts';
import { attributeOf, type MappingTables } from '../../src/detections/fields.ts';
import type { DetectionRule } from '../../src/detections/rule.ts';
import { windowOf } from '../../src/detections/windows.ts';
import { createMapper } from '../../src/mapping/index.ts';
import { goldenLines, goldenRecords } from '../../src/tools/mapping/golden.ts';

/** A mapped record, as both backends hold it: a value or several by the name of the attribute. */
export interface MappedRecord {
  readonly uid: string;
  readonly timeMs: number;
  readonly body: string;
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** @param observedMs when lines were met; backends go by it where a line has no time of its own. */
export function mapLines(lines: readonly string[], layers: readonly string[], observedMs: number): MappedRecord[] {
  const records = goldenRecords(goldenLines(Buffer.from(lines.join('\n')), {}), mapperFor(layers));
  return records.map(({ resource, record }) => {
    const values = new Map<string, string[]>();
    for (const attributes of [resource.attributes, record.attributes])
      collect('', { kvlistValue: { values: attributes } }, values);
    const { timeUnixNano, body } = record as unknown as {
      timeUnixNano?: string;
      body: { stringValue: string };
    };
    const timeMs = timeUnixNano === undefined ? observedMs : Number(BigInt(timeUnixNano) / 1_000_000n);
    const [uid = ''] = values.get('log.record.uid') ?? [];
    return { uid, timeMs, body: body.stringValue, values };
  });
}

const mappers = new Map<string, Mapper>();

function mapperFor(layers: readonly string[]): Mapper {
  const key = layers.join();
  const mapper =
    mappers.get(key) ?? createMapper({ layers, redact: ['secrets'], resourceAttributes: {}, lateAfterMs: undefined });
  mappers.set(key, mapper);
  return mapper;
}

type AnyValue = Readonly<Record<string, unknown>>;

/** Elements of a list count one by one, as Elasticsearch has them, and together as JSON, as Loki has them. */
function collect(name: string, value: AnyValue, values: Map<string, string[]>): unknown {
  const add = (text: string) => values.set(name, [...(values.get(name) ?? []), text]);
  if (value.kvlistValue !== undefined) {
    const entries = (value.kvlistValue as { values: readonly { key: string; value: AnyValue }[] }).values;
    return Object.fromEntries(
      entries.map(({ key, value: inner }) => [key, collect(name === '' ? key : `${name}.${key}`, inner, values)]),
    );
  }
  if (value.arrayValue !== undefined) {
    const elements = (value.arrayValue as { values?: readonly AnyValue[] }).values ?? [];
    const plain = elements.map((element) => collect(name, element, values));
    add(JSON.stringify(plain));
    return plain;
  }
  const [scalar] = Object.values(value);
  add(String(scalar));
  return scalar;
}

export function fits(condition: Condition, record: MappedRecord, mapping: MappingTables): boolean {
  switch (condition.type) {
    case 'and':
      return condition.parts.every((part) => fits(part, record, mapping));
    case 'or':
      return condition.parts.some((part) => fits(part, record, mapping));
    case 'not':
      return !fits(condition.part, record, mapping);
    case 'keywords': {
      const body = record.body.toLowerCase();
      return condition.texts.some((text) => body.includes(JSON.stringify(text).slice(1, -1).toLowerCase()));
    }
    case 'exists':
      return valuesOf(condition.field, record, mapping).length > 0;
    case 'equals':
      return valuesOf(condition.field, record, mapping).some((value) => condition.values.includes(value));
    case 'matches':
      return valuesOf(condition.field, record, mapping).some((value) =>
        condition.patterns.some((pattern) => like(value, pattern)),
      );
    case 'regexp':
      return valuesOf(condition.field, record, mapping).some((value) =>
        condition.expressions.some((expression) => new RegExp(`^(?:${expression})$`, 's').test(value)),
      );
    case 'network':
      return valuesOf(condition.field, record, mapping).some((value) =>
        condition.networks.some((network) => isIn(value, network)),
      );
    case 'compares':
      return valuesOf(condition.field, record, mapping).some((value) =>
        holds[condition.operator](Number(value), condition.bound),
      );
  }
}

const holds: Readonly<Record<Comparison, (value: number, bound: number) => boolean>> = {
  gt: (value, bound) => value > bound,
  gte: (value, bound) => value >= bound,
  lt: (value, bound) => value < bound,
  lte: (value, bound) => value <= bound,
};

function isIn(address: string, network: string): boolean {
  const list = new BlockList();
  const [base = '', prefix] = network.split('/');
  const family = (text: string) => (text.includes(':') ? 'ipv6' : 'ipv4');
  list.addSubnet(base, Number(prefix), family(base));
  return list.check(address, family(address));
}

function like(value: string, pattern: Pattern): boolean {
  const parts = pattern.map((part) =>
    typeof part === 'string' ? RegExp.escape(part) : part.description === 'any text' ? '.*' : '.',
  );
  return new RegExp(`^${parts.join('')}$`, 'su').test(value);
}

function valuesOf(field: string, { values }: MappedRecord, mapping: MappingTables): readonly string[] {
  const attribute = attributeOf(field, mapping);
  if (attribute === undefined) throw new Error(`no attribute for ${field}`);
  return values.get(attribute.name) ?? [];
}

export interface Outcome {
  /** Records that fit the condition, whenever they were. */
  readonly fitting: readonly MappedRecord[];
  /** Those that make an alert: of a group that has reached its threshold, or new, or old enough. */
  readonly alerting: readonly MappedRecord[];
}

/** At this moment, with so much allowance for late records. */
export function outcomeOf(
  rule: DetectionRule,
  records: readonly MappedRecord[],
  mapping: MappingTables,
  nowMs: number,
  delayMs: number,
): Outcome {
  const fitting = records.filter((record) => fits(rule.condition, record, mapping));
  const { range, offset } = windowOf(rule, delayMs);
  const endMs = nowMs - (offset?.ms ?? 0);
  const between = (fromMs: number, toMs: number) => fitting.filter(({ timeMs }) => timeMs > fromMs && timeMs <= toMs);
  const recent = between(endMs - range.ms, endMs);
  return { fitting, alerting: alertingOf(rule, recent, between, mapping, endMs - range.ms) };
}

function alertingOf(
  { finding }: DetectionRule,
  recent: readonly MappedRecord[],
  between: (fromMs: number, toMs: number) => readonly MappedRecord[],
  mapping: MappingTables,
  sinceMs: number,
): readonly MappedRecord[] {
  const keyOf = (fields: readonly string[]) => (record: MappedRecord) => {
    const values = fields.map((field) => valuesOf(field, record, mapping)[0]);
    return values.includes(undefined) ? undefined : JSON.stringify(values);
  };
  switch (finding.type) {
    case 'event':
      return recent;
    case 'new_terms': {
      const key = keyOf(finding.fields);
      const known = new Set(between(sinceMs - finding.history.ms, sinceMs).map(key));
      return recent.filter((record) => key(record) !== undefined && !known.has(key(record)));
    }
    case 'event_count':
    case 'value_count': {
      const group = keyOf(finding.groupBy);
      const counted = keyOf(finding.type === 'value_count' ? [finding.field] : ['otel.log.record.uid']);
      const grouped = Map.groupBy(
        recent.filter((record) => group(record) !== undefined && counted(record) !== undefined),
        group,
      );
      return [...grouped.values()].filter((all) => new Set(all.map(counted)).size >= finding.min).flat();
    }
  }
}
