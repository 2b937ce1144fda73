/**
 * Fields of a log line as plain data, errors too, so that they are fit for JSON and for another thread. They quote names, keys and
 * answers, and a log is read on terminals: JSON alone lets through what terminals obey.
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

/** An error as fields: message, code, hint and the chain of causes, without a stack for errors that are expected. */
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

/** Without the message, which may have line breaks: pino-pretty prints a stack as it is. */
function framesOf({ name, stack = '' }: Error): string {
  return [name, ...stack.split('\n').filter((line) => line.startsWith('    at '))].join('\n');
}
