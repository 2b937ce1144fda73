/**
 * The agent's own log on standard error: JSON lines, or human-readable lines on a terminal. Messages are constant; details go into
 * structured fields. `info`: state changed; `warn`: unusual, but nothing lost; `error`: data at risk, or a person is needed.
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

/** The values of `OTEL_LOG_LEVEL` and the pino level that each one selects. */
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

/** @param also receives every line as JSON. */
export function createLogger(
  level: LogLevel,
  destination: NodeJS.WriteStream,
  also?: ((line: string) => void) | undefined,
): Logger {
  const stream: DestinationStream = destination.isTTY
    ? pretty({ destination, ignore: 'pid,hostname', translateTime: 'SYS:yyyy-mm-dd HH:MM:ss', sync: true })
    : destination;
  return pino(
    {
      level: pinoLevels[level],
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: plainFields },
      // `plainFields` has already described the error; pino's own serializer would describe it a second time.
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
