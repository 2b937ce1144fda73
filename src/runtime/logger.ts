/**
 * The agent's own log: JSON lines on standard error (readable lines on a terminal), constant messages, structured fields.
 * `info` = state changed, `warn` = odd but nothing lost, `error` = data at risk or a person is needed.
 */
import { type DestinationStream, pino } from 'pino';
import pretty from 'pino-pretty';

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
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
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

/** An error as fields: message, code, hint and the chain of causes, without a stack for errors that are expected. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, hint } = error as { code?: unknown; hint?: unknown };
  const expected = hint !== undefined || typeof code === 'string';
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { hint }),
    ...(expected ? {} : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
