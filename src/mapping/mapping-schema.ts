/**
 * The schema of a mapping file. Every message says what was expected; mapping-file.ts adds the position and the actual value.
 * docs/mapping.md describes the format.
 */
import { z } from 'zod';
import { severities } from '../otlp/protobuf.ts';
import { conversionNames } from './conversions.ts';
import { redactionClasses } from './redaction-classes.ts';

/** Properties of a line outside its record; paths prefix them with `$`. */
export const lineFields = [
  'digest',
  'bucket',
  'key',
  'fileName',
  'workspaceId',
  'workspaceName',
  'date',
  'unparsedReason',
  'eventName',
  'lineSize',
  'lineCut',
] as const;

export type LineField = (typeof lineFields)[number];

export const severityNames = Object.keys(severities) as (keyof typeof severities)[];
export const attributeConversionNames = [...conversionNames, 'map', 'list'] as const;

/** YAML can express lone surrogates (`"\\ud800"`), and different keys with them become equal in UTF-8. */
const text = z
  .string('a string')
  .min(1, 'a non-empty string')
  .refine((value) => value.isWellFormed(), 'a string without lone surrogates');
const wholeNumber = z.int('a whole number of at least 1').min(1, 'a whole number of at least 1');
/** A character takes up to four bytes: with less, nothing would remain of some strings. */
const byteLimit = z.int('a whole number of at least 4').min(4, 'a whole number of at least 4');
const textList = z.array(text, 'a list of strings');
const why = text.optional();
/** Keys are compared by the letters in them, so that a phrase without any would be in each key. */
const phrase = text.refine(
  (value) => /[a-z]/i.test(value) && !/[^\P{L}a-zA-Z]/u.test(value),
  'words of the letters a to z',
);
const lastWord = text.regex(/^[a-z]+$/, 'one word of the letters a to z, in lower case');

const pathExpected = `a path such as userIdentity.email or eventId|event_id, or one of ${lineFields.map((field) => `$${field}`).join(', ')}`;
const path = z
  .string(pathExpected)
  .refine(isPath, pathExpected)
  .refine(isBounded, 'a path of at most 32 segments with at most 64 spellings');
const paths = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(path, `${pathExpected}, or a list of them`).min(1, 'at least one path'),
);

const conversion = z.enum(attributeConversionNames, `one of ${attributeConversionNames.join(', ')}`);
const textConversion = z.enum(conversionNames, `one of ${conversionNames.join(', ')}`);

const statusRange = /^(\d{1,9})\.\.(\d{1,9})$/;
const conditionExpected = 'present, absent, a range such as 400..599, a list of values, or not: a list of values';
const conditionValues = z.array(z.union([z.string(), z.int()])).min(1);
const condition = z.union(
  [
    z.literal(['present', 'absent']),
    z
      .string()
      .regex(statusRange)
      .transform((range) => {
        const [from = 0, to = 0] = range.split('..').map(Number);
        return { from, to };
      })
      .refine(({ from, to }) => from <= to, conditionExpected),
    conditionValues,
    z.strictObject({ not: conditionValues }),
  ],
  conditionExpected,
);
const when = z.record(z.string(), condition, 'conditions by the name of a fact').optional();

const fact = z.strictObject({ from: paths, as: textConversion.default('string'), why }, 'a fact: from, as');
const limits = z.strictObject(
  { leaves: wholeNumber.optional(), bytes: byteLimit.optional(), depth: wholeNumber.max(8, 'at most 8').optional() },
  'limits: leaves, bytes, depth',
);

const ruleExpected = 'a rule (from, as, value, when, limits, flag, distinctNames, brief, why) or a list of rules';
const rule = z
  .strictObject(
    {
      from: paths.optional(),
      as: conversion.default('string'),
      value: z
        .union([text, z.int('a whole number'), z.boolean()], 'a string, a whole number, true or false')
        .optional(),
      when,
      limits: limits.optional(),
      flag: text.optional(),
      brief: text.optional(),
      distinctNames: z.boolean('true or false').optional(),
      why,
    },
    ruleExpected,
  )
  .refine(({ from, value }) => (from === undefined) !== (value === undefined), 'either from or value');
const rules = z.array(rule, ruleExpected).min(1, ruleExpected);

const resourceRuleExpected = 'a rule (from, as, value, brief, why) or a list of rules';
const resourceRule = z
  .strictObject(
    {
      from: paths.optional(),
      as: textConversion.default('string'),
      value: text.optional(),
      brief: text.optional(),
      why,
    },
    resourceRuleExpected,
  )
  .refine(({ from, value }) => (from === undefined) !== (value === undefined), 'either from or value');
const resourceRules = z
  .array(resourceRule, resourceRuleExpected)
  .min(1, resourceRuleExpected)
  .refine(
    (rules) => rules.length === 1 || rules.every(({ from }) => from !== undefined),
    'one rule with a value, or rules with from',
  );

const severityName = z.enum(severityNames, `one of ${severityNames.join(', ')}`);
const severityRule = z.strictObject({ value: severityName, when, why }, 'a severity rule: value, when');

const redaction = z.strictObject(
  {
    phrases: z.array(phrase, 'a list of strings').default([]),
    harmlessLastWords: z.array(lastWord, 'a list of strings').default([]),
    fields: z
      .array(
        z.strictObject({ service: text, keys: textList }, 'fields of a service: service, keys'),
        'a list of fields',
      )
      .default([]),
  },
  'phrases, harmlessLastWords, fields',
);

const timestamp = z.strictObject({ from: paths, as: z.literal('time', 'time'), why }, 'a timestamp: from, as');
const scope = z.strictObject(
  { name: text.optional(), attributes: z.record(text, text.nullable(), 'strings by attribute name').default({}) },
  'a scope: name, attributes',
);

/** One layer. All parts are optional, because a layer may change a single attribute; `null` removes a target. */
export const layerSchema = z.strictObject(
  {
    version: text.optional(),
    schemaUrl: text.optional(),
    scope: scope.optional(),
    event: text.optional(),
    unparsed: z
      .strictObject(
        { event: text, severity: severityName, envelope: path.optional() },
        'unparsed: event, severity, envelope',
      )
      .optional(),
    timestamp: timestamp.optional(),
    facts: z.record(text, fact, 'facts by name').default({}),
    resource: z.record(text, resourceRules.nullable(), 'rules by attribute name').default({}),
    severity: z.array(severityRule, 'a list of severity rules').min(1, 'at least one rule').optional(),
    limits: z.strictObject({ textBytes: byteLimit, flag: text }, 'limits: textBytes, flag').optional(),
    attributes: z.record(text, rules.nullable(), 'rules by attribute name').default({}),
    keep: z.record(text, textList, 'lists of keys by the name of a map').default({}),
    redact: z.partialRecord(z.enum(redactionClasses), redaction, `${redactionClasses.join(', ')}`).default({}),
  },
  'a mapping: version, schemaUrl, scope, event, unparsed, timestamp, facts, resource, severity, limits, attributes, keep, redact',
);

export type Layer = z.infer<typeof layerSchema>;
export type Rule = z.infer<typeof rule>;
export type ResourceRule = z.infer<typeof resourceRule>;
export type SeverityRule = z.infer<typeof severityRule>;
export type Fact = z.infer<typeof fact>;
export type Condition = z.infer<typeof condition>;
export type Redaction = z.infer<typeof redaction>;

function isPath(candidate: string): boolean {
  if (candidate.startsWith('$')) return (lineFields as readonly string[]).includes(candidate.slice(1));
  return candidate.split('.').every((segment) => segment.split('|').every((key) => key !== '' && key.trim() === key));
}

/** Every spelling of a path has a slot of its own. */
function isBounded(candidate: string): boolean {
  const segments = candidate.split('.');
  return segments.length <= 32 && segments.reduce((count, segment) => count * segment.split('|').length, 1) <= 64;
}
