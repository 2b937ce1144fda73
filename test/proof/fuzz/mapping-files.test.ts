/**
 * Absurd mapping files. Each is rejected with positions and expectations, or is a mapping that produces valid records. None runs
 * code, reads another file, hangs or crashes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMapper, type MapperOptions } from '../../../src/mapping/index.ts';
import { isAgentError } from '../../../src/model/agent-error.ts';
import { decodeLogsRequest, recordsOf } from '../../support/otlp-decode.ts';
import { identifiedLine, sampleRecords } from '../../support/sample-lines.ts';
import { testSeed } from '../../support/seed.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { hostileNumber, hostileText } from './hostile-values.ts';
import { Random } from './random.ts';
import { checkValid } from './record-rules.ts';

const fileCount = 1_000;
const builtIn = ['databricks-audit', 'elastic'].map((name) =>
  readFileSync(new URL(`../../../mappings/${name}.yaml`, import.meta.url), 'utf8').replaceAll(/^ *#.*\n/gm, ''),
);
const lines = [...sampleRecords(5), '{}', 'no JSON', '{"timestamp":1,"requestParams":{"a":[1,{"b":""}]}}'].map((text) =>
  identifiedLine(text),
);

describe('a mapping file', () => {
  it('that was changed at random is rejected with positions, or produces valid records', () => {
    const directory = temporaryDirectory();
    const outcomes = { refused: 0, taken: 0 };
    for (let index = 0; index < fileCount; index++) {
      const random = Random.ofItem(testSeed, index);
      const text = mutated(random.pick(builtIn), random);
      const file = join(directory, 'ours.yaml');
      writeFileSync(file, text);
      try {
        outcomes[tryMapping(random.chance(0.5) ? [file] : ['databricks-audit', file])]++;
      } catch (error) {
        throw new Error(`seed ${testSeed}, file ${index}: ${String(error).slice(0, 500)}\n${text}`, { cause: error });
      }
    }
    expect(Math.min(outcomes.refused, outcomes.taken), JSON.stringify(outcomes)).toBeGreaterThan(0);
  });

  it.each([
    ['a billion laughs', bomb(9, 9)],
    ['aliases of aliases', bomb(200, 2)],
    ['an alias of itself', 'attributes: &a\n  x: { from: *a }\n'],
    ['nesting without end', `attributes: ${'['.repeat(100_000)}`],
    ['nesting without end, as a map', `attributes: ${'{a: '.repeat(50_000)}`],
    ['nesting by indentation', Array.from({ length: 3_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
    ['a key without end', `${'k'.repeat(1_000_000)}: 1`],
    ['many mistakes', Array.from({ length: 5_000 }, (_, index) => `key${index}: 1`).join('\n')],
    ['many documents', '---\na: 1\n'.repeat(1_000)],
    ['nothing', ''],
    ['NUL', '\0\0\0'],
    ['bytes that are no text', Buffer.from('ff80c0af', 'hex')],
  ])('of %s is rejected', (_name, text) => {
    expect(tryFile(text)).toBe('refused');
  });

  it.each([
    '!!js/function "function () { globalThis.ran = true }"',
    '!!js/eval "globalThis.ran = true"',
    '!!python/object:os.system [x]',
    '!include /etc/hostname',
  ])('runs no code and reads no file for a tag: %s', (tagged) => {
    const message = refusal(`version: "1"\nattributes:\n  a: ${tagged}\n`);
    expect(message).toMatch(/ours\.yaml:3:\d+: .*expected/);
    expect('ran' in globalThis).toBe(false);
  });

  it('treats a merge key as an ordinary key', () => {
    const message = refusal('attributes:\n  a: &a { from: actionName }\n  b: { <<: *a, as: string }\n');
    expect(message).toContain('expected a key of a rule');
  });

  it.each(['__proto__', 'constructor', 'prototype', 'toString'])('cannot reach prototypes by the name %s', (name) => {
    for (const text of [
      `attributes: { ${name}: { from: actionName } }`,
      `attributes: { a: { ${name}: { value: x } } }`,
      `facts: { ${name}: { from: ${name}.${name} } }\nresource: { ${name}: { value: polluted } }`,
      `${name}: { polluted: true }`,
      `scope: { attributes: { ${name}: polluted } }`,
    ]) {
      tryFile(text);
    }
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(({} as Record<string, unknown>).from).toBeUndefined();
  });

  it('has no regular expressions that could hang: a pattern is a name like any other', () => {
    const pattern = '(a+)+$';
    expect(refusal(`attributes:\n  a: { from: actionName, matches: "${pattern}" }\n`)).toContain(
      'expected a key of a rule',
    );
    expect(refusal(`attributes:\n  a: { from: actionName, as: "/${pattern}/" }\n`)).toContain('expected one of');
    const file = join(temporaryDirectory(), 'ours.yaml');
    writeFileSync(file, `redact: { secrets: { phrases: ["${pattern}"] } }\nfacts: { p: { from: "${pattern}" } }\n`);
    const mapper = createMapper({ ...options, layers: ['databricks-audit', file] });
    // A backtracking engine would never finish this.
    mapper.toJsonLine(identifiedLine(JSON.stringify({ [`${'a'.repeat(50_000)}!`]: `${'a'.repeat(50_000)}!` })));
  });
});

const options: MapperOptions = { layers: [], redact: ['secrets'], resourceAttributes: {} };

/** Checks the records of an accepted mapping. Errors other than a readable ERR_MAPPING_FILE are thrown. */
function tryMapping(layers: readonly string[]): 'refused' | 'taken' {
  const mapper = mapperOrRefusal(layers);
  if (typeof mapper === 'string') return 'refused';
  const encoder = mapper.createEncoder('protobuf');
  for (const line of lines) encoder.append(line);
  const records = recordsOf(decodeLogsRequest(encoder.finish()));
  expect(records).toHaveLength(lines.length);
  for (const { record, resource } of records) checkValid(record, resource);
  for (const line of lines) {
    for (const { record, resource } of recordsOf(JSON.parse(mapper.toJsonLine(line)))) checkValid(record, resource);
  }
  return 'taken';
}

function mapperOrRefusal(layers: readonly string[]) {
  try {
    return createMapper({ ...options, layers });
  } catch (error) {
    if (!isAgentError(error, 'ERR_MAPPING_FILE')) throw error;
    const [head, ...mistakes] = error.message.split('\n');
    expect(head).toMatch(/^The mapping has (a mistake|\d+ mistakes):$/);
    expect(mistakes.length).toBeGreaterThan(0);
    expect(mistakes.length).toBeLessThan(200);
    for (const mistake of mistakes) expect(mistake.slice(0, 2_000)).toMatch(/^ {2}.*: expected .*/);
    // The text of an internal error and not of a validation message: something unexpected failed.
    expect(/Cannot (read|set|convert)|is not a function|is not iterable|call stack/.exec(error.message)).toBeNull();
    return error.message;
  }
}

function tryFile(text: string | Uint8Array): 'refused' | 'taken' {
  const file = join(temporaryDirectory(), 'ours.yaml');
  writeFileSync(file, text);
  return tryMapping([file]);
}

function refusal(text: string): string {
  const file = join(temporaryDirectory(), 'ours.yaml');
  writeFileSync(file, text);
  const message = mapperOrRefusal(['databricks-audit', file]);
  if (typeof message !== 'string') throw new Error('the mapping was taken');
  return message;
}

/** Each level is `width` times the previous one. */
function bomb(levels: number, width: number): string {
  const rows = Array.from({ length: levels }, (_, level) =>
    level === 0
      ? 'a0: &a0 [x]'
      : `a${level}: &a${level} [${Array.from({ length: width }, () => `*a${level - 1}`).join(', ')}]`,
  );
  return `${rows.join('\n')}\n`;
}

function mutated(text: string, random: Random): string {
  let rows = text.split('\n');
  for (let count = 1 + random.size(8); count > 0; count--) {
    const at = random.below(rows.length);
    const row = rows[at] ?? '';
    const insert = (...added: string[]) => [...rows.slice(0, at), ...added, ...rows.slice(at + 1)];
    switch (random.below(8)) {
      case 0:
        rows = insert();
        break;
      case 1:
        rows = insert(row, row);
        break;
      case 2:
        rows = insert(' '.repeat(random.below(8)) + row.trimStart());
        break;
      case 3:
        rows = insert(row.replace(/[^ :]+$/, () => hostileScalar(random)));
        break;
      case 4:
        rows = insert(row.replace(/[\w.$|]+/, () => hostileScalar(random)));
        break;
      case 5:
        rows = insert(row, `${' '.repeat(random.below(8))}${hostileScalar(random)}: ${hostileScalar(random)}`);
        break;
      case 6:
        rows = insert(row.slice(0, random.below(row.length + 1)));
        break;
      default:
        rows = insert(row, random.pick(rows));
    }
  }
  return random.chance(0.9) ? rows.join('\n') : rows.join('\n').slice(0, random.below(text.length));
}

function hostileScalar(random: Random): string {
  switch (random.below(6)) {
    case 0:
      return hostileNumber(random);
    case 1:
      return JSON.stringify(hostileText(random));
    case 2:
      return hostileText(random);
    case 3:
      return random.pick([
        '&a',
        '*a',
        '&a x',
        '!!str 1',
        '!!binary aGk=',
        '!x y',
        '<<',
        '? a',
        '|',
        '>-',
        '- a',
        '~',
        'null',
      ]);
    case 4:
      return random.pick([
        '[]',
        '{}',
        '[a, b]',
        '{ from: a }',
        '{ value: 1 }',
        '{ value: "" }',
        '[{ from: a }, { value: x }]',
      ]);
    default:
      return random.pick([
        'from',
        'as',
        'map',
        'string',
        'value',
        'when',
        'status',
        'present',
        '1..2',
        'limits',
        'flag',
        '$digest',
        'a.b|c',
      ]);
  }
}
