/**
 * Objects full of hostile lines: real shapes, mutated by the grammar of JSON and byte by byte.
 *
 * Values that redaction must remove contain a marker, which is placed only where redaction guarantees to find it. A line with a
 * marker may be truncated, but its bytes may not be changed otherwise, because a broken key is no longer a key.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { sampleRecords } from '../../support/sample-lines.ts';
import { hostileKey, hostileNumber, hostileText, quotedText } from './hostile-values.ts';
import { countNodes, type JsonEntry, type JsonTree, printTree, replaceNode, textTree, treeOf } from './json-tree.ts';
import type { Random } from './random.ts';

export const secretMarker = 'planted-secret';
export const commandMarker = 'planted-command';

/** One line, without a line ending. It may contain any byte, including line feeds. */
export function hostileLine(random: Random): Buffer {
  const shape = random.below(100);
  if (shape < 4) return random.bytes(random.size(200));
  if (shape < 6) return Buffer.from(hostileText(random));
  if (shape < 8) return Buffer.from(extremeLine(random));
  let tree = random.pick(seeds);
  for (let count = random.size(6); count > 0; count--) tree = mutate(tree, random);
  if (shape < 25) return plantedLine(random, tree);
  const line = Buffer.from(printTree(tree, random.chance(0.1) ? random.pick([' ', '\t', '\r', '  ']) : ''));
  return shape < 40 ? damage(line, random) : line;
}

/** Real and invented records, and those of the mapping's golden files. */
const seeds: readonly JsonTree[] = [
  ...sampleRecords(10),
  ...goldenInputs(),
  '{"time":"2025-05-01T13:43:28Z","category":"accounts","identity":"{\\"email\\":\\"a@example.com\\",\\"subjectName\\":null}","properties":{"requestParams":"{\\"user\\":\\"a@example.com\\"}","response":"{\\"statusCode\\":200}"}}',
].flatMap((line) => {
  try {
    return [treeOf(JSON.parse(line))];
  } catch {
    return [textTree(line)];
  }
});

function goldenInputs(): string[] {
  const cases = new URL('../../mappings/', import.meta.url);
  return readdirSync(cases).flatMap((name) =>
    readFileSync(new URL(`${name}/input.jsonl`, cases), 'utf8')
      .split('\n')
      .filter((line) => line.length < 4_000),
  );
}

function mutate(tree: JsonTree, random: Random): JsonTree {
  return replaceNode(tree, random.below(countNodes(tree)), (node) => mutateNode(node, random));
}

function mutateNode(node: JsonTree, random: Random): JsonTree {
  if (node.kind === 'object' && random.chance(0.8)) {
    return { kind: 'object', entries: mutateEntries(node.entries, random) };
  }
  if (node.kind === 'array' && random.chance(0.8)) {
    return { kind: 'array', items: [...node.items, ...random.list(random.size(5), () => hostileTree(random, 3))] };
  }
  return random.chance(0.2) ? wrap(node, random) : hostileTree(random, 3);
}

function mutateEntries(entries: readonly JsonEntry[], random: Random): readonly JsonEntry[] {
  const at = random.below(Math.max(1, entries.length));
  const chosen = entries[at];
  const before = entries.slice(0, at);
  const behind = entries.slice(at + 1);
  const added = (): JsonEntry => [quotedText(hostileKey(random), random), hostileTree(random, 3)];
  if (chosen === undefined) return [added()];
  const [key, value] = chosen;
  switch (random.below(8)) {
    case 0: // the same key twice
      return [...before, chosen, ...behind, [random.chance(0.5) ? key : respelled(key), hostileTree(random, 2)]];
    case 1:
      return [...before, ...behind];
    case 2: // under another name
      return [...before, [quotedText(hostileKey(random), random), value], ...behind];
    case 3:
      return [...before, chosen, ...behind].toReversed();
    case 4:
      return [...before, chosen, added(), ...behind];
    case 5:
      return [...before, [key, wrap(value, random)], ...behind];
    default:
      return [...before, [key, hostileTree(random, 3)], ...behind];
  }
}

/** The same key, written with an escape. */
function respelled(key: string): string {
  return key.replace(
    /^"([\x20-\x21\x23-\x5b\x5d-\x7e])/,
    (_, first: string) => `"\\u00${first.charCodeAt(0).toString(16)}`,
  );
}

function hostileTree(random: Random, depth: number): JsonTree {
  switch (random.below(depth > 0 ? 10 : 6)) {
    case 0:
      return textTree(random.pick(['null', 'true', 'false', '{}', '[]', '""']));
    case 1:
      return textTree(hostileNumber(random));
    case 6:
      return { kind: 'array', items: random.list(random.size(6), () => hostileTree(random, depth - 1)) };
    case 7:
    case 8:
      return {
        kind: 'object',
        entries: random.list(random.size(6), () => [
          quotedText(hostileKey(random), random),
          hostileTree(random, depth - 1),
        ]),
      };
    case 9:
      return wrap(hostileTree(random, depth - 1), random);
    default:
      return textTree(quotedText(hostileText(random), random));
  }
}

/** The value within another one: in an object, in an array, or as JSON in a string. */
function wrap(value: JsonTree, random: Random): JsonTree {
  switch (random.below(3)) {
    case 0:
      return { kind: 'object', entries: [[quotedText(hostileKey(random), random), value]] };
    case 1:
      return { kind: 'array', items: [value] };
    default:
      return textTree(quotedText(printTree(value), random));
  }
}

const secretKeys = [
  ...[
    'password',
    'dbpassword',
    'clientSecret',
    'AWS_SECRET_ACCESS_KEY',
    'x-api-key',
    'token',
    'refreshToken2',
    'PRIVATEKEY',
  ],
  ...[
    'fs.azure.account.key.store.dfs.core.windows.net',
    'spark_env_vars',
    'signed_uri',
    'connectionString',
    'credentials',
  ],
];
const commandKeys = ['commandText', 'query_text', 'sqlText', 'notebook_params', 'pythonParams'];

/** A line with something to redact in it, possibly truncated. */
export function plantedLine(random: Random, tree: JsonTree = random.pick(seeds)): Buffer {
  const root: JsonTree = tree.kind === 'object' ? tree : { kind: 'object', entries: [] };
  if (root.kind !== 'object') return Buffer.alloc(0);
  const planted: JsonEntry = [quotedText(hostileKey(random), random), hidden(random, 1 + random.below(5), 0)];
  const at = random.below(root.entries.length + 1);
  const twice: JsonEntry[] = random.chance(0.2) ? [[planted[0], hostileTree(random, 1)]] : [];
  const entries = [...root.entries.slice(0, at), planted, ...root.entries.slice(at), ...twice];
  const line = Buffer.from(printTree({ kind: 'object', entries }));
  return random.chance(0.2) ? line.subarray(0, 1 + random.below(line.length)) : line;
}

/** The marker as the value of a sensitive key, in objects, arrays and up to four levels of JSON in strings. */
function hidden(random: Random, levels: number, texts: number): JsonTree {
  if (levels === 0) {
    const [keys, marker] = random.chance(0.7) ? [secretKeys, secretMarker] : [commandKeys, commandMarker];
    const key = JSON.stringify(random.pick(keys));
    const secret: JsonEntry = [key, random.chance(0.8) ? markedText(marker, random) : markedContainer(marker, random)];
    const other: JsonEntry = [JSON.stringify(random.pick(['before', 'after', 'x'])), hostileTree(random, 1)];
    const harmless = textTree(random.pick(['null', 'true', '""', '"x"', '{}']));
    const twice: JsonEntry[] = random.chance(0.2) ? [[random.chance(0.5) ? key : respelled(key), harmless]] : [];
    return { kind: 'object', entries: random.chance(0.5) ? [other, secret, ...twice] : [secret, other, ...twice] };
  }
  const inner = (textsMore: number) => hidden(random, levels - 1, texts + textsMore);
  const key = JSON.stringify(random.pick(['a', 'new_cluster', 'list', 'result', 'request_params']));
  switch (random.below(texts < 4 ? 4 : 2)) {
    case 0:
      return { kind: 'array', items: [textTree('1'), inner(0)] };
    case 1:
      return {
        kind: 'object',
        entries: random.chance(0.9)
          ? [[key, inner(0)]]
          : [
              [key, inner(0)],
              [key, textTree(random.pick(['1', '{}', 'null']))],
            ],
      };
    default:
      return textTree(jsonText(printTree({ kind: 'object', entries: [[key, inner(1)]] }), random));
  }
}

/** With its quotes as `\"`, or as .NET writes them. */
function jsonText(json: string, random: Random): string {
  const text = JSON.stringify(json);
  return random.chance(0.3) ? text.replaceAll(/\\(.)/g, (pair, escaped) => (escaped === '"' ? '\\u0022' : pair)) : text;
}

function markedText(marker: string, random: Random): JsonTree {
  const around = random.pick(['', ' ', '\\', '"', '\n', 'é', ',', ']', '}', '{"a":"', "':"]);
  return textTree(JSON.stringify(`${around}${marker}${around}`));
}

function markedContainer(marker: string, random: Random): JsonTree {
  const text = markedText(marker, random);
  return random.chance(0.5)
    ? { kind: 'array', items: [text, textTree('7')] }
    : {
        kind: 'object',
        entries: [
          ['"NAME"', text],
          ['"OTHER"', text],
        ],
      };
}

/** Many repetitions of one thing. */
function extremeLine(random: Random): string {
  const count = 1 + random.size(3_000);
  const plausible = '"timestamp":1759795200000,"serviceName":"jobs","actionName":"create"';
  switch (random.below(9)) {
    case 0:
      return `{${plausible},"requestParams":${'{"a":'.repeat(count)}1${'}'.repeat(count)}}`;
    case 1:
      return `{${plausible},"requestParams":{"list":${'['.repeat(count)}9007199254740993${']'.repeat(count)}}}`;
    case 2:
      return '[{"a":'.repeat(count);
    case 3:
      return `{${plausible},"requestParams":{${random.list(count % 500, () => `"${random.below(300)}":${random.below(9)}`).join(',')}}}`;
    case 4:
      return `{${plausible},"requestParams":{"${'k'.repeat(count)}":"${'v'.repeat(count)}"}}`;
    case 5:
      return `${'"token":'.repeat(count % 400)}1`;
    case 6:
      return `{${plausible},"userIdentity":{"email":"${'@'.repeat(count)}"},"sourceIPAddress":"${'1.'.repeat(count)}"}`;
    case 7:
      return `{${plausible},"response":{"statusCode":${'4'.repeat(count)},"result":${'['.repeat(count % 90)}${']'.repeat(count % 90)}}}`;
    default: {
      let value = '{"a":1}';
      for (let level = 0; level < count % 8; level++) value = JSON.stringify({ inner: value });
      return `{${plausible},"requestParams":${value}}`;
    }
  }
}

/** One to three changes to the bytes. */
function damage(line: Buffer, random: Random): Buffer {
  let bytes = line;
  for (let count = 1 + random.size(3); count > 0; count--) {
    const at = random.below(bytes.length + 1);
    const end = at + random.size(40);
    switch (random.below(5)) {
      case 0:
        bytes = bytes.subarray(0, at);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), oddBytes(random), bytes.subarray(at)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          random.bytes(Math.min(end, bytes.length) - Math.min(at, bytes.length)),
          bytes.subarray(end),
        ]);
    }
  }
  return bytes;
}

function oddBytes(random: Random): Buffer {
  return Buffer.from(
    random.pick([
      ...['ff', 'c0', 'c3', 'e2', 'e282', 'f0', 'f09f98', '80', 'c080', 'eda080', 'f4908080', 'fe', 'efbbbf', 'efbfbd'],
      ...['00', '0a', '0d', '0d0a', '0a0a', '1b5b324a', '22', '5c', '5c5c22', '7b', '7d', '5b', '2c', '3a', '202020'],
    ]),
    'hex',
  );
}
