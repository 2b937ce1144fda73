/**
 * Checks objects of hostile lines until there were enough lines or a rule is violated.
 */
import { messageOf } from '../../../src/model/agent-error.ts';
import { checkObject } from './check-object.ts';
import { type FuzzedObject, makeFuzzedObject } from './fuzzed-object.ts';
import { minimise } from './minimise.ts';
import { leak } from './record-rules.ts';

export interface FuzzResult {
  readonly objectCount: number;
  readonly lineCount: number;
  readonly finding: Finding | undefined;
}

export interface Finding {
  readonly objectIndex: number;
  readonly message: string;
  /** Minimised: the smallest input that still violates the same rule. */
  readonly object: FuzzedObject;
}

export interface FuzzRequest {
  readonly seed: number;
  /** The first object; the next one is `step` after it, so that several processes can share a run. */
  readonly firstObject?: number;
  readonly step?: number;
  readonly until: (lineCount: number) => boolean;
}

export async function fuzzLines({ seed, firstObject = 0, step = 1, until }: FuzzRequest): Promise<FuzzResult> {
  let lineCount = 0;
  let objectCount = 0;
  for (let index = firstObject; !until(lineCount); index += step) {
    const object = makeFuzzedObject(seed, index);
    objectCount++;
    try {
      lineCount += await checkObject(object);
    } catch (error) {
      const finding = { objectIndex: index, message: messageOf(error), object: await minimised(object, error) };
      return { objectCount, lineCount, finding };
    }
  }
  return { objectCount, lineCount, finding: undefined };
}

/** The content of a report: enough to see the line and to reproduce it. */
export function describeFinding(seed: number, { objectIndex, message, object }: Finding): string {
  const { content, ...settings } = object;
  return [
    `Broken: ${message.slice(0, 2_000)}`,
    `Again: npm run fuzz -- --seed ${seed} --object ${objectIndex}`,
    `Settings: ${JSON.stringify(settings)}`,
    `Smallest object (${content.length} bytes): ${JSON.stringify(content.subarray(0, 4_000).toString('latin1'))}`,
    `In base64: ${content.subarray(0, 4_000).toString('base64')}`,
  ].join('\n');
}

/** Removes lines first, then bytes. A leak keeps its lines complete, because half of a sensitive key is not sensitive. */
async function minimised(object: FuzzedObject, error: unknown): Promise<FuzzedObject> {
  const rule = ruleOf(error);
  const failsWith = async (content: Buffer) => {
    try {
      await checkObject({ ...object, content });
      return false;
    } catch (other) {
      return ruleOf(other) === rule;
    }
  };
  const lines = linesOf(object.content);
  const fewerLines = Buffer.concat(await minimise(lines, (fewer) => failsWith(Buffer.concat(fewer))));
  if (rule === leak) return { ...object, content: fewerLines };
  const bytes = await minimise([...fewerLines], (fewer) => failsWith(Buffer.from(fewer)));
  return { ...object, content: Buffer.from(bytes) };
}

function linesOf(content: Buffer): Buffer[] {
  return content
    .toString('latin1')
    .split(/(?<=\n)/)
    .map((line) => Buffer.from(line, 'latin1'));
}

/** The first words of the message, without its details. */
function ruleOf(error: unknown): string {
  return messageOf(error).split(/[:\n"]|log\.record\.uid is/, 1)[0] ?? '';
}
