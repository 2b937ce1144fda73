/**
 * Sends the agent's own log to the collector in addition to standard error, which always has every line. Lines that the collector does
 * not accept are dropped silently: logging the failure would produce another line to send, and so on.
 */
import { type Attributes, SeverityNumber } from '@opentelemetry/api';
import { BatchLogRecordProcessor, LoggerProvider, type LogRecordExporter } from '@opentelemetry/sdk-logs';
import { z } from 'zod';
import { packageVersion } from '../runtime/package-version.ts';
import { agentResource } from './agent-resource.ts';
import { pushConnection } from './push-connection.ts';

export interface OwnLogsOptions {
  /** That of the records. */
  readonly protocol: 'http/protobuf' | 'http/json';
  /** Additional attributes of the agent's own resource. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
}

export interface OwnLogs {
  /** @param line one log line as JSON. */
  write(line: string): void;
  /** Sends the remaining lines. */
  close(): Promise<void>;
}

const severities: Readonly<Record<string, SeverityNumber>> = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
};

const logLine = z.looseObject({
  level: z.string(),
  time: z.iso.datetime(),
  msg: z.string(),
  err: z
    .object({
      message: z.string(),
      code: z.string().optional(),
      hint: z.string().optional(),
      stack: z.string().optional(),
    })
    .optional(),
});

export async function createOwnLogs({ protocol, resourceAttributes }: OwnLogsOptions): Promise<OwnLogs> {
  const provider = new LoggerProvider({
    resource: agentResource(resourceAttributes),
    processors: [new BatchLogRecordProcessor({ exporter: await createExporter(protocol) })],
  });
  const logger = provider.getLogger('databricks-audit-otel', packageVersion);
  return {
    write(line) {
      const { level, time, msg, err, ...fields } = logLine.parse(JSON.parse(line));
      logger.emit({
        timestamp: new Date(time),
        severityNumber: severities[level] ?? SeverityNumber.UNSPECIFIED,
        severityText: level.toUpperCase(),
        body: msg,
        attributes: { ...(fields as Attributes), ...(err === undefined ? {} : errorAttributes(err)) },
      });
    },
    close: () => provider.shutdown().catch(() => {}),
  };
}

/**
 * Each exporter is a package for one protocol, so only one of them is loaded. Both read the other standard variables themselves:
 * endpoint, headers, compression, timeout, certificates.
 */
async function createExporter(protocol: OwnLogsOptions['protocol']): Promise<LogRecordExporter> {
  const { OTLPLogExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-logs-otlp-http')
      : await import('@opentelemetry/exporter-logs-otlp-proto');
  return new OTLPLogExporter(pushConnection('LOGS'));
}

/** Follows the semantic conventions for exceptions. */
function errorAttributes({ message, code, hint, stack }: NonNullable<z.output<typeof logLine>['err']>): Attributes {
  return {
    'exception.message': message,
    ...(code === undefined ? {} : { 'error.type': code }),
    ...(hint === undefined ? {} : { hint }),
    ...(stack === undefined ? {} : { 'exception.stacktrace': stack }),
  };
}
