/**
 * The subset of OTLP/JSON that this agent writes, for reading dead-letter files and for showing
 * records to people.
 */
import { z } from 'zod';

export type OtlpValue = {
  stringValue?: string | undefined;
  /** A decimal string, because JSON numbers are exact only up to 2^53. */
  intValue?: string | number | undefined;
  doubleValue?: number | undefined;
  boolValue?: boolean | undefined;
  kvlistValue?: { values?: OtlpKeyValue[] | undefined } | undefined;
  arrayValue?: { values?: OtlpValue[] | undefined } | undefined;
};

export type OtlpKeyValue = { key: string; value: OtlpValue };

const value: z.ZodType<OtlpValue> = z.lazy(() =>
  z.object({
    stringValue: z.string().optional(),
    intValue: z.union([z.string().regex(/^-?\d{1,19}$/), z.int()]).optional(),
    doubleValue: z.number().optional(),
    boolValue: z.boolean().optional(),
    kvlistValue: z.object({ values: z.array(keyValue).optional() }).optional(),
    arrayValue: z.object({ values: z.array(value).optional() }).optional(),
  }),
);
const keyValue: z.ZodType<OtlpKeyValue> = z.object({ key: z.string(), value });

const nanoseconds = z.coerce.string().regex(/^\d{1,19}$/);

const scope = z.object({
  name: z.string().default(''),
  version: z.string().default(''),
  attributes: z.array(keyValue).default([]),
});

const logRecord = z.object({
  timeUnixNano: nanoseconds.optional(),
  observedTimeUnixNano: nanoseconds.optional(),
  severityNumber: z.int().default(0),
  severityText: z.string().default(''),
  eventName: z.string().default(''),
  body: z.object({ stringValue: z.string().default('') }).default({ stringValue: '' }),
  attributes: z.array(keyValue).default([]),
});

export const otlpLogs = z.object({
  resourceLogs: z.array(
    z.object({
      resource: z.object({ attributes: z.array(keyValue).default([]) }).default({ attributes: [] }),
      scopeLogs: z.array(
        z.object({
          scope: scope.default({ name: '', version: '', attributes: [] }),
          logRecords: z.array(logRecord),
          schemaUrl: z.string().optional(),
        }),
      ),
      schemaUrl: z.string().optional(),
    }),
  ),
});

export type OtlpLogs = z.infer<typeof otlpLogs>;
export type OtlpLogRecord = z.infer<typeof logRecord>;

export function textOf(attributes: readonly OtlpKeyValue[], key: string): string | undefined {
  return attributes.find((attribute) => attribute.key === key)?.value.stringValue;
}

/** `log.record.uid` of the only record. */
export function uidOf({ resourceLogs }: OtlpLogs): string | undefined {
  return textOf(resourceLogs[0]?.scopeLogs[0]?.logRecords[0]?.attributes ?? [], 'log.record.uid');
}
