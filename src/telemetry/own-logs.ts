/**
 * The agent's own log, sent to the collector as well. Standard error stays complete. What the collector does not take is dropped
 * here without a word, because a word would be one more line to send, and so on for ever.
 */
import { type Attributes, SeverityNumber } from '@opentelemetry/api';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { z } from 'zod';
import { packageVersion } from '../runtime/package-version.ts';
import { agentResource } from './agent-resource.ts';

export interface OwnLogs {
  /** @param line of the log, as JSON. */
  write(line: string): void;
  /** Sends what is left. */
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

/** The exporter reads its own standard variables: endpoint, headers, compression, timeout, certificates. */
export function createOwnLogs(resourceAttributes: Readonly<Record<string, string>>): OwnLogs {
  const provider = new LoggerProvider({
    resource: agentResource(resourceAttributes),
    processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
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

/** By the semantic conventions of exceptions. */
function errorAttributes({ message, code, hint, stack }: NonNullable<z.output<typeof logLine>['err']>): Attributes {
  return {
    'exception.message': message,
    ...(code === undefined ? {} : { 'error.type': code }),
    ...(hint === undefined ? {} : { hint }),
    ...(stack === undefined ? {} : { 'exception.stacktrace': stack }),
  };
}
