/**
 * From the mapping as data to plans for the shapes of records: names and conversions are resolved once, here, and paths and
 * conditions once for each shape.
 */
import { conversions } from '../conversions.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { Program } from '../kernel/program.ts';
import type { Mapping } from '../mapping-file.ts';
import type { LineField, SeverityRule } from '../mapping-schema.ts';
import type { FoundPaths } from '../record/record-paths.ts';
import type { RecordReader } from '../record/record-reader.ts';
import { attributeKey } from '../writers/attribute-key.ts';
import type { EncodedResource } from '../writers/envelope.ts';
import { type Severity, severities } from '../writers/log-record-writer.ts';
import { type Basis, DerivationBook } from './derivation.ts';
import { type FactRule, isOfLine, Planning } from './planning.ts';
import type { PlannedValue, Read, RecordPlan, Step, Write } from './record-plan.ts';
import type { ResourceCache } from './resource-cache.ts';
import { compileResourceRule, compileRules, flagWriter, type PlanRule } from './rule-steps.ts';

export interface CompiledMapping {
  /** For records that have the values of these paths where this one has them. */
  planRecord(paths: FoundPaths): RecordPlan;
  /** For a line without a record. */
  planLine(): RecordPlan;
}

interface PlanAttribute {
  readonly name: string;
  readonly readsLine: boolean;
  readonly planRule: PlanRule;
}

/** An attribute as planned, and what it looks at. */
interface TracedStep {
  readonly name: string;
  readonly step: Step;
  readonly basis: Basis;
}

/** @param reader learns the paths of the mapping. */
export function compileMapping(
  mapping: Mapping,
  kernel: Kernel,
  reader: RecordReader,
  resources: ResourceCache,
): CompiledMapping {
  reader.addPaths(pathsOf(mapping));
  const context = { textBytesMax: mapping.limits.textBytes, objectIn: reader.objectIn };
  const facts = new Map(
    [...mapping.facts].map(([name, { from, as }]): [string, FactRule] => [
      name,
      { from, conversion: conversions[as], isText: as === 'string' },
    ]),
  );
  const attributes = [...mapping.attributes].map(([name, rules]) => ({
    name,
    readsLine: rules.some((rule) => rule.from?.some(isOfLine) === true),
    planRule: compileRules(attributeKey(name), rules, context),
  }));
  const resource = [...mapping.resource.values()].map((rule) => compileResourceRule(rule, context));
  const writeFlag = flagWriter(mapping.limits.flag);
  const derivations = {
    attributes: new DerivationBook<never>(kernel),
    severity: new DerivationBook<Severity>(kernel),
    resource: new DerivationBook<EncodedResource>(kernel),
  };

  const plan = (paths: FoundPaths | undefined, planned: readonly PlanAttribute[]): RecordPlan => {
    const planning = new Planning(paths, paths === undefined ? lineReaders : recordLineReaders, facts);
    const traced = planned.flatMap(({ name, planRule }): TracedStep[] => {
      const { result, basis } = planning.trace(planRule);
      return result === undefined ? [] : [{ name, step: result.step, basis }];
    });
    const steps = withDerivations(traced, derivations.attributes);
    // What was found in the text of one record is planned for this record only.
    const isKept = paths?.signature !== undefined;
    return {
      readTimestamp: planning.read(mapping.timestampPaths)?.read,
      severity: planValue('severity', derivations.severity, planning, () => planSeverity(mapping.severity, planning)),
      resource: planValue('resource', derivations.resource, planning, () => {
        const reads = resource.map((planRead) => planRead(planning));
        return (input) => resources.of(reads.map((read) => read(input)));
      }),
      steps,
      program: isKept
        ? Program.write(
            kernel,
            steps.map(({ instruction }) => instruction),
          )
        : undefined,
      writeFlag,
    };
  };
  return {
    planRecord: (paths) => plan(paths, attributes),
    planLine: () =>
      plan(
        undefined,
        attributes.filter((attribute) => attribute.readsLine),
      ),
  };
}

function planValue<Value>(
  name: string,
  derivations: DerivationBook<Value>,
  planning: Planning,
  planRead: () => PlannedValue<Value>['read'],
): PlannedValue<Value> {
  const { result, basis } = planning.trace(planRead);
  return { derivation: derivations.derive(name, basis), read: result };
}

/** Attributes in a row that look at the same values become one step. A copy alone stays one: nothing is faster. */
function withDerivations(traced: readonly TracedStep[], derivations: DerivationBook<never>): Step[] {
  const groups: [TracedStep, ...TracedStep[]][] = [];
  for (const each of traced) {
    const group = groups.at(-1);
    if (group !== undefined && sameBasis(group[0].basis, each.basis)) group.push(each);
    else groups.push([each]);
  }
  return groups.flatMap((group) => {
    const [{ step, basis }] = group;
    if (group.length === 1 && step.instruction.does !== 'leave') return [step];
    const name = group.map((each) => each.name).join();
    const signature = group.map((each) => each.basis.signature).join();
    const derivation = derivations.derive(name, { ...basis, signature });
    const steps = group.map((each) => each.step);
    if (derivation === undefined) return steps;
    const write: Write = (input, out) => {
      for (const each of steps) each.write(input, out);
      return true;
    };
    const { cells, first, second } = derivation;
    return [{ instruction: { does: 'copyDerived', cells, first, second }, write }];
  });
}

function sameBasis(one: Basis, other: Basis): boolean {
  return one.isComplete && other.isComplete && one.entries.join() === other.entries.join();
}

/** Of all rules, without those of lines. */
function pathsOf({ timestampPaths, facts, resource, attributes }: Mapping): string[] {
  const rules = [...facts.values(), ...resource.values(), ...[...attributes.values()].flat()];
  return [...timestampPaths, ...rules.flatMap(({ from }) => from ?? [])].filter((path) => !isOfLine(path));
}

function planSeverity(rules: readonly SeverityRule[], planning: Planning): RecordPlan['severity']['read'] {
  const possible = rules.flatMap(({ value, when }) => {
    const test = planning.test(when);
    return test === 'never' ? [] : [{ severity: severities[value], test }];
  });
  return (input): Severity => {
    for (const { test, severity } of possible) if (test === 'always' || test(input)) return severity;
    return severities.INFO;
  };
}

const lineReaders: Readonly<Record<LineField, Read>> = {
  digest: ({ line }) => line.digest,
  bucket: ({ line }) => line.origin.location['aws.s3.bucket'],
  key: ({ line }) => line.origin.location['aws.s3.key'],
  fileName: ({ line }) => line.origin.fileName || undefined,
  workspaceId: ({ line }) => line.origin.workspaceId,
  date: ({ line }) => line.origin.date,
  unparsedReason: ({ unparsedReason }) => unparsedReason,
  eventName: ({ eventName }) => eventName,
  lineSize: ({ line, isCut }) => (isCut ? line.sizeBytes : undefined),
  lineCut: ({ isCut }) => (isCut ? true : undefined),
};

/** A line that was cut is no record. */
const { lineSize: _lineSize, lineCut: _lineCut, ...recordLineReaders } = lineReaders;
