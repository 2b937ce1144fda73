/**
 * Compiles a mapping to the program that the kernel runs for every record: paths become slots, rules become rows of fixed size, and constants
 * are encoded once. kernel/assembly/ defines the layouts.
 */

import { encodeAttribute, encodeEventName, encodeSeverity, otlpValue, severities } from '../../otlp/protobuf.ts';
import { type ConversionName, conversionNames, conversionTypes, principalTypes } from '../conversions.ts';
import type { Mapping } from '../mapping-file.ts';
import { type Condition, lineFields, type ResourceRule, type Rule } from '../mapping-schema.ts';
import { LineEntries, textEntry } from './line-entries.ts';
import { Paths } from './paths.ts';
import type { Address, ProgramImage } from './program-image.ts';

/** Why a line is not a record. Constant strings: the unparsed content appears only in the body, where it is redacted. */
export const unparsedReasons = {
  notJson: 'not JSON',
  notAnObject: 'not a JSON object',
  cut: 'longer than the limit of a line',
} as const;
export type UnparsedReason = keyof typeof unparsedReasons;

const timestampReasons = {
  missing: 'no timestamp',
  outOfRange: 'timestamp is not in Unix milliseconds from 1990 to 2262',
  notATime: 'timestamp is neither Unix milliseconds nor ISO 8601 with a zone from 1990 to 2262',
  envelope: 'an envelope of several records',
} as const;

export interface Program {
  readonly lineEntries: LineEntries;
  readonly reasons: Readonly<Record<UnparsedReason, Address>>;
  /** Every reason why a record can be unparsed, by the address of its entry. */
  readonly reasonTexts: ReadonlyMap<Address, string>;
  /** Names of the resource attributes that the kernel finds, in order. */
  readonly resourceKeys: readonly string[];
}

export interface ProgramOptions {
  /** Resource attributes that all resources have, regardless of the record. */
  readonly fixedResourceKeys: ReadonlySet<string>;
  /** Services with redaction rules; undefined without redaction. */
  readonly redactedServices: readonly string[] | undefined;
  /** Random, so that no sender can choose keys that collide. */
  readonly hashSeed: number;
}

export function compileProgram(mapping: Mapping, options: ProgramOptions, image: ProgramImage): Program {
  const header = image.reserve(headerWords * wordBytes);
  const compiler = new Compiler(mapping, image);
  const { redactedServices, fixedResourceKeys, hashSeed } = options;
  const { paths, lineEntries } = compiler;
  const services = redactedServices ?? [];
  const resourceRules = [...mapping.resource].filter(
    ([key, rules]) => rules.some(({ from }) => from !== undefined) && !fixedResourceKeys.has(key),
  );
  const attributes = [...mapping.attributes];
  const ofLines = attributes.filter(([, rules]) => rules.some(({ from }) => from?.some(isOfLine)));
  const types = principalTypes.flatMap((type) => {
    const { at, sizeBytes } = image.text(type);
    return [at, at + sizeBytes];
  });
  const flag = image.encoded(encodeFlag(mapping.limits.flag));
  // In the order of the kernel's `Header`.
  image.setWords(header, [
    ...[paths.rootStep, redactedServices === undefined ? 0 : 1],
    ...[paths.keys, hashSeed],
    ...[paths.slots, paths.slotsEnd],
    ...[compiler.facts, compiler.facts + mapping.facts.size * factWords * wordBytes],
    ...[compiler.serviceSlots(), layOutItems(services, image), services.length],
    image.words(types),
    image.reserve(flatNameBuckets * wordBytes),
    compiler.slots(mapping.timestampPaths),
    compiler.slots(envelopePaths(mapping)),
    compiler.severityRules(),
    compiler.resourceRules(resourceRules.map(([, rule]) => rule)),
    ...[compiler.attributeRules(attributes), compiler.attributeRules(ofLines)],
    ...[flag.at, flag.sizeBytes],
    compiler.recordEnds(),
    ...[lineEntries.slotOf('unparsedReason'), lineEntries.slotOf('eventName')],
  ]);
  const reasons = Object.entries(unparsedReasons).map(([name, text]) => [name, compiler.reason(text)]);
  return {
    lineEntries,
    reasons: Object.fromEntries(reasons) as Program['reasons'],
    reasonTexts: compiler.reasonTexts,
    resourceKeys: resourceRules.map(([key]) => key),
  };
}

/** Whether the path is a property of the line, such as `$digest`, and not in its record. */
export function isOfLine(path: string): boolean {
  return path.startsWith('$');
}

const wordBytes = 4;
const headerWords = 24;
const ruleWords = 12;
/** Of a rule: the size of the encoded constant. */
const partSizeWord = 10;
const factWords = 8;
const flatNameBuckets = 256;
const noLimit = 0xffff_ffff;
/** Instead of the number of a conversion. */
const [toMap, toConstant, endOfRules, toList] = [100, 101, 102, 103];
/** Marks a map whose flattened names must be distinct. */
const distinctNamesBit = 0x8000_0000;
const asks = { present: 0, absent: 1, range: 2, list: 3, notInList: 4 } as const;
/** Kinds of results; see `Found` in the kernel. */
const found = { string: 1, integer: 2 } as const;

/** The words of a rule, unless 0. */
interface RuleWords {
  readonly does: number;
  readonly from?: Address;
  readonly key?: string;
  readonly bytesMax?: number;
  readonly next?: Address;
  readonly when?: Rule['when'];
  readonly flag?: string | undefined;
  readonly part?: readonly [number, number];
  readonly kept?: Address;
}

class Compiler {
  readonly lineEntries: LineEntries;
  readonly paths: Paths;
  readonly facts: Address;
  readonly reasonTexts = new Map<Address, string>();
  readonly #mapping: Mapping;
  readonly #image: ProgramImage;
  readonly #factIndexes: ReadonlyMap<string, number>;

  constructor(mapping: Mapping, image: ProgramImage) {
    this.#mapping = mapping;
    this.#image = image;
    this.lineEntries = new LineEntries(mapping, image);
    this.paths = new Paths(pathsOf(mapping), image);
    const facts = [...mapping.facts];
    this.#factIndexes = new Map(facts.map(([name], index) => [name, index]));
    this.facts = image.words(
      facts.flatMap(([, { from, as }]) => [
        numberOf(as),
        this.slots(from),
        ...new Array<number>(factWords - 2).fill(0),
      ]),
    );
  }

  /** The list of the slots of all paths. */
  slots(from: readonly string[]): Address {
    return from.reduceRight((after, path) => {
      const field = lineFields.find((name) => path === `$${name}`);
      if (field === undefined) return this.paths.listOf(path, after);
      return this.paths.list([this.lineEntries.slotOf(field), 0], after);
    }, 0);
  }

  /** The slots of the service that a record belongs to. */
  serviceSlots(): Address {
    return this.slots(this.#mapping.facts.get('service')?.from.filter((path) => !isOfLine(path)) ?? []);
  }

  severityRules(): Address {
    const rules = this.#mapping.severity.map(({ value, when }) =>
      this.#rule({ does: toConstant, when, part: this.#severity(value) }),
    );
    return this.#image.words([...rules, this.#rule({ does: endOfRules, part: this.#severity('INFO') })].flat());
  }

  resourceRules(attributes: readonly (readonly ResourceRule[])[]): Address {
    const bytesMax = this.#mapping.limits.textBytes;
    return this.#ruleLists(attributes, ({ from = [], as }, next) =>
      this.#rule({ does: numberOf(as), from: this.slots(from), bytesMax, next }),
    );
  }

  attributeRules(attributes: readonly (readonly [string, readonly Rule[]])[]): Address {
    const keyed = attributes.map(([key, rules]) => rules.map((rule) => ({ key, rule })));
    return this.#ruleLists(keyed, ({ key, rule }, next) => this.#attributeRule(key, rule, next), true);
  }

  /**
   * The lists of rules, one for each attribute, one after the other.
   * @param words of a rule, given where the next list begins.
   * @param withLocation whether the attributes of the object's location follow.
   */
  #ruleLists<Each>(
    lists: readonly (readonly Each[])[],
    words: (rule: Each, next: Address) => number[],
    withLocation = false,
  ): Address {
    const ruleBytes = ruleWords * wordBytes;
    const count = lists.reduce((sum, rules) => sum + rules.length, 0);
    const at = this.#image.reserve((count + (withLocation ? 2 : 1)) * ruleBytes);
    let end = at;
    for (const rules of lists) {
      const next = end + rules.length * ruleBytes;
      for (const rule of rules) {
        this.#image.setWords(end, words(rule, next));
        end += ruleBytes;
      }
    }
    if (withLocation) {
      // The location is a constant until the next object.
      const { location } = this.lineEntries;
      this.#image.setWords(end, this.#rule({ does: toConstant, next: end + ruleBytes, part: [location.at, 0] }));
      location.sizesAt.push(end + partSizeWord * wordBytes);
      end += ruleBytes;
    }
    this.#image.setWords(end, this.#rule({ does: endOfRules }));
    return at;
  }

  /** Lays out the entry of a reason. */
  reason(text: string): Address {
    const at = textEntry(text, this.#image);
    this.reasonTexts.set(at, text);
    return at;
  }

  /** The constant parts of parsed and unparsed records. */
  recordEnds(): Address {
    const { eventName, unparsed } = this.#mapping;
    const reasons = Object.values(timestampReasons).map((text) => this.reason(text));
    const ends = [eventName, unparsed.event].flatMap((name) => {
      const part = this.#image.encoded(encodeEventName(name));
      const [severity, severityBytes] = this.#severity(unparsed.severity);
      return [part.at, part.sizeBytes, severity, severityBytes, textEntry(name, this.#image), ...reasons];
    });
    return this.#image.words(ends);
  }

  #attributeRule(key: string, rule: Rule, next: Address): number[] {
    const { value, from = [], as, limits, flag, when, distinctNames } = rule;
    if (value !== undefined) {
      const constant = this.#image.encoded(encodeAttribute(key, otlpValue(value)));
      return this.#rule({ does: toConstant, next, when, part: [constant.at, constant.sizeBytes] });
    }
    const common = { from: this.slots(from), key, next, when, flag };
    const { leaves = 64, bytes = 32_768, depth = 8 } = limits ?? {};
    if (as === 'list') return this.#rule({ ...common, does: toList, bytesMax: bytes, part: [0, depth] });
    if (as === 'map') {
      const depthWord = distinctNames === true ? depth + distinctNamesBit : depth;
      return this.#rule({
        ...common,
        does: toMap,
        bytesMax: bytes,
        part: [leaves, depthWord],
        kept: this.#keptKeys(key),
      });
    }
    const bytesMax = conversionTypes[as] === 'string' ? (limits?.bytes ?? this.#mapping.limits.textBytes) : noLimit;
    return this.#rule({ ...common, does: numberOf(as), bytesMax });
  }

  #rule({
    does,
    from = 0,
    key = '',
    bytesMax = 0,
    next = 0,
    when,
    flag,
    part = [0, 0],
    kept = 0,
  }: RuleWords): number[] {
    const name = key === '' ? { at: 0, sizeBytes: 0 } : this.#image.text(key);
    const encodedFlag = flag === undefined ? { at: 0, sizeBytes: 0 } : this.#image.encoded(encodeFlag(flag));
    const words = [does, from, name.at, name.sizeBytes, Math.min(bytesMax, noLimit), next, this.#conditions(when)];
    return [...words, encodedFlag.at, encodedFlag.sizeBytes, ...part.map((word) => Math.min(word, noLimit)), kept];
  }

  #keptKeys(target: string): Address {
    const keys = this.#mapping.keep.get(target) ?? [];
    if (keys.length === 0) return 0;
    const rows = keys.map((key) => this.#image.text(key)).flatMap(({ at, sizeBytes }) => [at, sizeBytes]);
    return this.#image.words([...rows, 0]);
  }

  #conditions(when: Rule['when']): Address {
    const rows = Object.entries(when ?? {}).map(([name, condition]) => [
      this.facts + (this.#factIndexes.get(name) ?? 0) * factWords * wordBytes,
      ...conditionWords(condition, this.#image),
    ]);
    return rows.length === 0 ? 0 : this.#image.words([...rows.flat(), 0]);
  }

  #severity(name: keyof typeof severities): readonly [number, number] {
    const { at, sizeBytes } = this.#image.encoded(encodeSeverity(severities[name]));
    return [at, sizeBytes];
  }
}

/** All paths into records, each with whether its value becomes a map. */
function pathsOf(mapping: Mapping): (readonly [string, boolean])[] {
  const { timestampPaths, facts, resource, attributes } = mapping;
  const rules = [...facts.values(), ...[...resource.values()].flat(), ...[...attributes.values()].flat()];
  const own = [...timestampPaths, ...envelopePaths(mapping)];
  return [{ from: own, as: 'time' }, ...rules].flatMap(({ from = [], as }) =>
    from.filter((path) => !isOfLine(path)).map((path) => [path, as === 'map'] as const),
  );
}

function envelopePaths({ unparsed: { envelope } }: Mapping): string[] {
  return envelope === undefined ? [] : [envelope];
}

function numberOf(conversion: ConversionName): number {
  return conversionNames.indexOf(conversion);
}

function encodeFlag(name: string): Uint8Array {
  return encodeAttribute(name, { boolValue: true });
}

function conditionWords(condition: Condition, image: ProgramImage): number[] {
  if (condition === 'present') return [asks.present, 0, 0];
  if (condition === 'absent') return [asks.absent, 0, 0];
  if ('from' in condition) return [asks.range, condition.from, condition.to];
  if ('not' in condition) return [asks.notInList, layOutItems(condition.not, image), condition.not.length];
  return [asks.list, layOutItems(condition, image), condition.length];
}

function layOutItems(values: readonly (string | number)[], image: ProgramImage): Address {
  const itemBytes = 16;
  const items = image.reserve(values.length * itemBytes);
  for (const [index, value] of values.entries()) {
    const item = items + index * itemBytes;
    if (typeof value === 'string') {
      const { at, sizeBytes } = image.text(value);
      image.setWords(item, [found.string, sizeBytes, at]);
    } else {
      image.setWords(item, [found.integer, 0]);
      image.setInteger(item + 8, value);
    }
  }
  return items;
}
