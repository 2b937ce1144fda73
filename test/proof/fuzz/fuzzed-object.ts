/**
 * One object of a fuzz run: its decoded bytes and the settings with which they are mapped. Derived from seed and index alone, so
 * that a failing object can be reproduced.
 */
import type { RedactionClass } from '../../../src/mapping/index.ts';
import type { ObjectId, ObjectOrigin } from '../../../src/model/object.ts';
import { hostileLine } from './hostile-lines.ts';
import { hostileText } from './hostile-values.ts';
import { Random } from './random.ts';

export interface MappingSettings {
  readonly layers: readonly string[];
  readonly redact: readonly RedactionClass[];
  readonly resourceAttributes: Readonly<Record<string, string>>;
}

export interface FuzzedObject {
  readonly content: Buffer;
  readonly mapping: MappingSettings;
  readonly lineBytesMax: number;
  readonly compressed: boolean;
  /** Of the stream that the object is read from. */
  readonly chunkBytes: number;
  readonly observedAtMs: number;
  readonly origin: ObjectOrigin;
}

const overridden = {
  'service.name': 'audit',
  'databricks.workspace.id': '',
  'a\ud800b': '\udc00',
  '': 'without a name',
};

export const mappingSettings: readonly MappingSettings[] = [
  { layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} },
  { layers: ['databricks-audit'], redact: ['secrets', 'commands'], resourceAttributes: overridden },
  { layers: ['databricks-audit'], redact: [], resourceAttributes: {} },
  { layers: ['databricks-audit', 'elastic'], redact: ['secrets'], resourceAttributes: {} },
  { layers: ['databricks-audit', 'elastic'], redact: [], resourceAttributes: {} },
];

const plainOrigin: ObjectOrigin = {
  id: 's3://logs/workspaceId=1/date=2025-10-07/auditlogs_1.json' as ObjectId,
  fileName: 'auditlogs_1.json',
  location: { 'aws.s3.bucket': 'logs', 'aws.s3.key': 'workspaceId=1/date=2025-10-07/auditlogs_1.json' },
  workspaceId: '1',
  date: '2025-10-07',
};

/** About 20 lines. */
export function makeFuzzedObject(seed: number, index: number): FuzzedObject {
  const random = Random.ofItem(seed, index);
  const lines = random.list(1 + random.below(39), () => hostileLine(random));
  if (random.chance(0.3)) lines.push(...random.list(1 + random.below(3), () => random.pick(lines)));
  const content = Buffer.concat(lines.flatMap((line, at) => (at === 0 ? [line] : [lineEnding(random), line])));
  return {
    content: Buffer.concat([
      Buffer.from(random.chance(0.05) ? '\ufeff' : ''),
      content,
      random.chance(0.7) ? lineEnding(random) : Buffer.alloc(0),
    ]),
    mapping: random.pick(mappingSettings),
    lineBytesMax: random.chance(0.8) ? 1_048_576 : random.pick([4, 5, 40, 500, 501, 502, 503]),
    compressed: random.chance(0.05),
    chunkBytes: random.chance(0.5) ? 65_536 : 1 + random.size(2_000),
    observedAtMs: random.pick([0, 1, -1, 1_759_795_200_000, 1_759_795_200_000.75, 9_223_372_036_854, 1e300, -1e300]),
    origin: random.chance(0.9) ? plainOrigin : hostileOrigin(random),
  };
}

/** The whole object with default settings, for corpus files. */
export function plainObject(content: Buffer, mapping: MappingSettings): FuzzedObject {
  return {
    content,
    mapping,
    lineBytesMax: 1_048_576,
    compressed: false,
    chunkBytes: 65_536,
    observedAtMs: 1_759_795_200_000,
    origin: plainOrigin,
  };
}

function lineEnding(random: Random): Buffer {
  return Buffer.from(random.chance(0.9) ? '\n' : random.pick(['\r\n', '\n\n', '\n \t\r\n']));
}

function hostileOrigin(random: Random): ObjectOrigin {
  const perhaps = () => (random.chance(0.7) ? hostileText(random) || undefined : undefined);
  const named = (name: string) => {
    const value = perhaps();
    return value === undefined ? {} : { [name]: value };
  };
  return {
    id: hostileText(random) as ObjectId,
    fileName: hostileText(random),
    location: { ...named('aws.s3.bucket'), ...named('aws.s3.key') },
    workspaceId: perhaps(),
    date: perhaps(),
  };
}
