/**
 * mappings/registry/: the attributes we define, as a registry of semantic conventions. `npm run docs` writes it, and generated.test.ts compares.
 */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadMapping } from '../../../src/mapping/index.ts';
import {
  alertAttributes,
  alertEvents,
  locationAttributes,
  metricAttributes,
} from '../../../src/model/own-attributes.ts';
import { histograms } from '../../../src/telemetry/histograms.ts';
import { observedInstruments } from '../../../src/telemetry/instruments.ts';
import { renderRegistry } from '../../../src/tools/mapping/registry.ts';

const name = z.string().regex(/^[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_]*)+$/);
const sentence = z.string().regex(/^[A-Z`].{14,}\.$/);
const stability = z.literal('development');
const described = { id: name, stability, brief: sentence, note: z.string().min(1).optional() };
const member = z.strictObject({ id: z.string(), value: z.string(), brief: z.string().optional(), stability });
const attribute = z.union([
  z.strictObject({ ...described, type: z.literal('string'), examples: z.array(z.string().min(1)).min(1) }),
  z.strictObject({ ...described, type: z.literal('int'), examples: z.array(z.int()).min(1).optional() }),
  z.strictObject({ ...described, type: z.enum(['boolean', 'any']) }),
  z.strictObject({ ...described, type: z.strictObject({ members: z.array(member).min(2) }) }),
]);
/** Of weaver's semconv-syntax.md, what these files use. */
const registry = z.strictObject({
  groups: z.array(
    z.discriminatedUnion('type', [
      z.strictObject({
        id: z.string().startsWith('registry.'),
        type: z.literal('attribute_group'),
        display_name: z.string(),
        brief: sentence,
        attributes: z.array(attribute).min(1),
      }),
      z.strictObject({
        id: z.string().startsWith('event.'),
        type: z.literal('event'),
        name,
        stability,
        brief: sentence,
        attributes: z
          .array(z.strictObject({ ref: name }))
          .min(1)
          .optional(),
      }),
    ]),
  ),
});

const namespaces = ['databricks', 'immuta'] as const;

describe.each(namespaces)('the registry of %s', (namespace) => {
  const text = readFileSync(new URL(`../../../mappings/registry/${namespace}.yaml`, import.meta.url), 'utf8');
  const { groups } = registry.parse(parse(text));
  const [definitions, ...events] = groups;
  if (definitions?.type !== 'attribute_group') throw new Error('the attributes come first');
  const ids = definitions.attributes.map(({ id }) => id);
  const mapping = loadMapping([`${namespace}-audit`], '.');

  it('has each attribute of the namespace once, in order, with a useful sentence', () => {
    expect(ids).toEqual([...new Set(ids)].toSorted());
    const flags = [...mapping.attributes.values()].flat().flatMap(({ flag }) => flag ?? []);
    const own = Object.keys({ ...locationAttributes, ...alertAttributes, ...metricAttributes });
    const targets = [...mapping.attributes.keys(), ...mapping.resource.keys(), ...flags, mapping.limits.flag, ...own];
    const ours = targets.filter((target) => target.startsWith(`${namespace}.`));
    expect(ids).toEqual([...new Set(ours)].toSorted());
    const briefs = definitions.attributes.map(({ brief }) => brief);
    expect(new Set(briefs).size).toBe(briefs.length);
  });

  it('has the events, which refer to attributes that it defines', () => {
    const named = events.flatMap((event) => (event.type === 'event' ? [event.name] : []));
    const own = Object.keys(alertEvents).filter((eventName) => eventName.startsWith(`${namespace}.`));
    expect(named).toEqual([mapping.eventName, mapping.unparsed.event, ...own]);
    for (const { attributes } of events) {
      for (const each of attributes ?? []) expect(ids).toContain('ref' in each ? each.ref : '');
    }
  });

  it('has an attribute for every one of the namespace in a golden record', () => {
    const files = globSync('*/expected.json', { cwd: new URL('../../mappings/', import.meta.url) });
    const keys = files.flatMap((file) => {
      const records = readFileSync(new URL(`../../mappings/${file}`, import.meta.url), 'utf8');
      return [...records.matchAll(/^ {4}\{"key":"([^"]+)"/gm)].map(([, key = '']) => key);
    });
    const ours = new Set(keys.filter((key) => key.startsWith(`${namespace}.`)));
    expect(ours.size).toBeGreaterThan(10);
    expect([...ours].filter((key) => !ids.includes(key))).toEqual([]);
  });
});

it('every name of ours in the code is in the registry, or that of a metric', () => {
  const registered = namespaces.flatMap((namespace) => {
    const text = readFileSync(new URL(`../../../mappings/registry/${namespace}.yaml`, import.meta.url), 'utf8');
    return registry.parse(parse(text)).groups.flatMap((group) => {
      return group.type === 'event' ? [group.name] : group.attributes.map(({ id }) => id);
    });
  });
  const metrics = [...observedInstruments, ...histograms].map((metric) => metric.name);
  const known = new Set([...registered, ...metrics]);
  const sources = new URL('../../../src/', import.meta.url);
  const named = globSync('**/*.ts', { cwd: sources }).flatMap((file) => {
    const code = readFileSync(new URL(file, sources), 'utf8');
    return [...code.matchAll(/'((?:databricks|immuta)(?:\.[a-z0-9_]+)+)'/g)].map(([, found = '']) => found);
  });
  expect(named).toContain('databricks.table.name');
  expect([...new Set(named)].filter((each) => !known.has(each))).toEqual([]);
});

it('an attribute without a brief or an example cannot be written', () => {
  const mapping = loadMapping(['databricks-audit'], '.');
  const namespace = { name: 'databricks', displayName: 'Databricks' };
  expect(() => renderRegistry(mapping, namespace, new Map())).toThrow('expected an example in the golden pairs');
  const attributes = new Map(mapping.attributes).set('databricks.new', [{ from: ['a'], as: 'string' }]);
  const examples = new Map(
    [...mapping.attributes.keys(), ...mapping.resource.keys(), 'databricks.new'].map((key) => [key, ['a']] as const),
  );
  expect(() => renderRegistry({ ...mapping, attributes }, namespace, examples)).toThrow(
    'databricks.new: expected a brief',
  );
});
