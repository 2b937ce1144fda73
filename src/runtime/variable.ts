/**
 * An environment variable as a zod schema. An empty value counts as unset, as the OpenTelemetry specification requires
 * (configuration/sdk-environment-variables.md, "Parsing empty value").
 */
import { z } from 'zod';

/** The parsed value, or the problem: what was expected (`expected a whole number ...`), without the text itself. */
export type Parsed<Value> = { readonly value: Value } | { readonly problem: string };

export function good<Value>(value: Value): Parsed<Value> {
  return { value };
}

export function bad(problem: string): Parsed<never> {
  return { problem };
}

/** A variable without a default. */
export function variable<Value>(parse: (text: string) => Parsed<Value>) {
  return z
    .string()
    .optional()
    .transform((raw, context): Value | undefined => {
      const text = raw?.trim() ?? '';
      if (text === '') return undefined;
      const parsed = parse(text);
      if ('value' in parsed) return parsed.value;
      context.addIssue({ code: 'custom', message: parsed.problem });
      return z.NEVER;
    });
}

export function wholeNumber(min: number, max: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? good(value) : bad(`expected a whole number from ${min} to ${max}`);
  };
}

const unitsMs: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** A duration such as `500ms`, `60s`, `15m`, `24h` or `7d`, in milliseconds. `0` needs no unit. */
export function duration(minMs: number, example: string): (text: string) => Parsed<number> {
  return (text) => {
    const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text === '0' ? '0s' : text);
    const value = match === null ? Number.NaN : Number(match[1]) * (unitsMs.get(match[2] ?? '') ?? Number.NaN);
    if (value >= minMs) return good(value);
    return bad(`expected a duration of at least ${asDuration(minMs)} with a unit (ms, s, m, h, d), such as ${example}`);
  };
}

/** As a variable has it, in the largest unit that leaves no rest: `1d`. */
function asDuration(durationMs: number): string {
  const fitting = [...unitsMs].findLast(([, unitMs]) => durationMs >= unitMs && durationMs % unitMs === 0);
  const [unit, unitMs] = fitting ?? ['s', 1000];
  return `${durationMs / unitMs}${unit}`;
}
