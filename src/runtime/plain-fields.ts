/**
 * Turns the fields of a log line, errors included, into plain data that can be serialized as JSON or posted to another thread.
 * Fields quote file names, object keys and server responses, and logs are read on terminals, so control characters are escaped:
 * JSON leaves some of them as they are.
 */
import { printableLines } from './printable.ts';

export function plainFields(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, printableValue(value)]));
}

function printableValue(value: unknown): unknown {
  if (typeof value === 'string') return printableLines(value);
  if (value instanceof Error) return plainFields(describeError(value));
  if (Array.isArray(value)) return value.map(printableValue);
  const isPlain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isPlain ? plainFields(value) : value;
}

/** An error as fields: message, code, hint and the chain of causes. Expected errors come without a stack. */
function describeError(error: Error): object {
  const { code, hint } = error as { code?: unknown; hint?: unknown };
  const expected = hint !== undefined || typeof code === 'string';
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { hint }),
    ...(expected ? {} : { stack: framesOf(error) }),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  };
}

/** Leaves out the message, which may contain line breaks: pino-pretty prints a stack unchanged. */
function framesOf({ name, stack = '' }: Error): string {
  return [name, ...stack.split('\n').filter((line) => line.startsWith('    at '))].join('\n');
}
