/**
 * The agent's own log: JSON lines on standard error (readable lines on a terminal), constant messages, structured fields.
 * `info` = state changed, `warn` = odd but nothing lost, `error` = data at risk or a person is needed.
 */
import { type DestinationStream, pino } from 'pino';
import pretty from 'pino-pretty';
import { printableLines } from './printable.ts';

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** OpenTelemetry's names for `OTEL_LOG_LEVEL` (sdk-environment-variables), and what pino calls them. */
const pinoLevels = {
  none: 'silent',
  error: 'error',
  warn: 'warn',
  info: 'info',
  debug: 'debug',
  verbose: 'trace',
  all: 'trace',
} as const;

export type LogLevel = keyof typeof pinoLevels;
export const logLevels = Object.keys(pinoLevels) as readonly LogLevel[];

/** @param also is given each line as JSON. */
export function createLogger(
  level: LogLevel,
  destination: NodeJS.WriteStream,
  also?: ((line: string) => void) | undefined,
): Logger {
  const stream: DestinationStream = destination.isTTY
    ? pretty({ destination, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', sync: true })
    : destination;
  return pino(
    {
      level: pinoLevels[level],
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: printableFields },
      // It is described already, and pino's own serializer would take it for an error once more.
      serializers: { err: (described: unknown) => described },
    },
    also === undefined ? stream : both(stream, also),
  );
}

function both(stream: DestinationStream, also: (line: string) => void): DestinationStream {
  return {
    write(line) {
      stream.write(line);
      also(line);
    },
  };
}

/** Fields quote names, keys and answers, and a log is read on terminals: JSON alone lets through what terminals obey. */
function printableFields(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, printableValue(value)]));
}

function printableValue(value: unknown): unknown {
  if (typeof value === 'string') return printableLines(value);
  if (value instanceof Error) return printableFields(describeError(value));
  if (Array.isArray(value)) return value.map(printableValue);
  const isPlain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
  return isPlain ? printableFields(value) : value;
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

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
