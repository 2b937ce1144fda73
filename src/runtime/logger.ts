/**
 * The agent's own log: JSON lines on standard error (readable lines on a terminal), constant messages, structured fields.
 * `info` = state changed, `warn` = odd but nothing lost, `error` = data at risk or a person is needed.
 */
import { type DestinationStream, pino } from 'pino';
import pretty from 'pino-pretty';
import { plainFields } from './plain-fields.ts';

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
      formatters: { level: (label) => ({ level: label }), log: plainFields },
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

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
