/**
 * Loads the configuration from the environment. Reports all problems at once, before anything is read or sent.
 */
import { join } from 'node:path';
import type { z } from 'zod';
import { type OtlpOptions, resolveExportOptions } from '../export/options.ts';
import { AgentError } from '../model/agent-error.ts';
import { printable } from '../runtime/printable.ts';
import { type VariableName, variables } from './variables.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

type Values = { readonly [Name in VariableName]: z.output<(typeof variables)[Name]> };

/** The parsed variables, grouped by the part that uses them. */
export interface Configuration {
  readonly sources: readonly (Values['DATABRICKS_AUDIT_SOURCE'][number] & {
    readonly pollIntervalMs: number;
    readonly followLinks: boolean;
  })[];
  readonly stateDirectory: string;
  readonly deadLetterDirectory: string;
  readonly mapping: {
    readonly layers: Values['DATABRICKS_AUDIT_MAPPING'];
    readonly redact: Values['DATABRICKS_AUDIT_REDACT'];
    readonly resourceAttributes: Readonly<Record<string, string>>;
    /** Undefined if off. */
    readonly lateAfterMs: number | undefined;
  };
  readonly start: Values['DATABRICKS_AUDIT_START'];
  readonly lookbackDays: number;
  readonly sweepIntervalMs: number;
  /** 0 if off. */
  readonly silenceAfterMs: number;
  /** With 1, everything runs on the main thread. */
  readonly workers: number;
  readonly batchLimits: { readonly recordsMax: number; readonly bytesMax: number };
  readonly logsExporter: Values['OTEL_LOGS_EXPORTER'];
  readonly otlp: OtlpOptions;
  /** For the backend of `reconcile --against`. May contain secrets. */
  readonly againstHeaders: Readonly<Record<string, string>>;
  readonly logLevel: Values['OTEL_LOG_LEVEL'];
  readonly telemetry: {
    readonly selfLogs: Values['DATABRICKS_AUDIT_SELF_LOGS'];
    readonly http: Values['DATABRICKS_AUDIT_HTTP'];
    readonly metrics: {
      readonly exporters: Values['OTEL_METRICS_EXPORTER'];
      readonly pushIntervalMs: number;
      readonly pushTimeoutMs: number;
      readonly resourceAttributes: Readonly<Record<string, string>>;
    };
  };
  /** The variables that are set, with secrets masked. */
  readonly settings: readonly { readonly name: string; readonly value: string }[];
}

/** @throws AgentError ERR_CONFIGURATION listing every problem: the variable, what was expected and the value. */
export function loadConfiguration(environment: Environment): Configuration {
  const values = parseAll(environment);
  const millisecondsPerDay = 86_400_000;
  return {
    sources: values.DATABRICKS_AUDIT_SOURCE.map((source) => ({
      ...source,
      pollIntervalMs: source.pollIntervalMs ?? values.DATABRICKS_AUDIT_POLL_INTERVAL,
      followLinks: values.DATABRICKS_AUDIT_FOLLOW_LINKS,
    })),
    stateDirectory: values.DATABRICKS_AUDIT_STATE,
    deadLetterDirectory: values.DATABRICKS_AUDIT_DEAD_LETTERS ?? join(values.DATABRICKS_AUDIT_STATE, 'dead-letters'),
    mapping: {
      layers: values.DATABRICKS_AUDIT_MAPPING,
      redact: values.DATABRICKS_AUDIT_REDACT,
      lateAfterMs: values.DATABRICKS_AUDIT_LATE_AFTER === 0 ? undefined : values.DATABRICKS_AUDIT_LATE_AFTER,
      resourceAttributes: {
        ...values.OTEL_RESOURCE_ATTRIBUTES,
        ...(values.OTEL_SERVICE_NAME === undefined ? {} : { 'service.name': values.OTEL_SERVICE_NAME }),
      },
    },
    start: values.DATABRICKS_AUDIT_START,
    lookbackDays: Math.ceil(values.DATABRICKS_AUDIT_LOOKBACK / millisecondsPerDay),
    sweepIntervalMs: values.DATABRICKS_AUDIT_SWEEP_INTERVAL,
    silenceAfterMs: values.DATABRICKS_AUDIT_SILENCE_AFTER,
    // Workers cannot share standard output.
    workers: values.OTEL_LOGS_EXPORTER === 'console' ? 1 : values.DATABRICKS_AUDIT_WORKERS,
    batchLimits: {
      recordsMax: values.DATABRICKS_AUDIT_BATCH_RECORDS,
      bytesMax: values.DATABRICKS_AUDIT_BATCH_BYTES,
    },
    logsExporter: values.OTEL_LOGS_EXPORTER,
    otlp: resolveExportOptions(values),
    againstHeaders: values.DATABRICKS_AUDIT_AGAINST_HEADERS ?? {},
    logLevel: values.OTEL_LOG_LEVEL,
    telemetry: {
      selfLogs: values.DATABRICKS_AUDIT_SELF_LOGS,
      http: values.DATABRICKS_AUDIT_HTTP,
      metrics: {
        exporters: values.OTEL_METRICS_EXPORTER,
        pushIntervalMs: values.OTEL_METRIC_EXPORT_INTERVAL,
        pushTimeoutMs: values.OTEL_METRIC_EXPORT_TIMEOUT,
        resourceAttributes: values.OTEL_RESOURCE_ATTRIBUTES ?? {},
      },
    },
    settings: settingsOf(environment),
  };
}

function parseAll(environment: Environment): Values {
  const problems: string[] = [];
  const entries = Object.entries(variables).map(([name, schema]) => {
    const text = environment[name];
    const parsed = schema.safeParse(text === '' ? undefined : text);
    for (const issue of parsed.error?.issues ?? [])
      problems.push(`${name}: ${issue.message}, got ${describeValue(name, text)}`);
    return [name, parsed.data] as const;
  });
  if (problems.length > 0) {
    throw new AgentError('ERR_CONFIGURATION', problems.join('\n'), {
      hint: 'docs/configuration.md lists every variable with its default.',
    });
  }
  return Object.fromEntries(entries) as Values;
}

function settingsOf(environment: Environment): Configuration['settings'] {
  return Object.keys(variables).flatMap((name) => {
    const text = environment[name];
    return text === undefined || text === '' ? [] : [{ name, value: masked(name, text) }];
  });
}

function describeValue(name: string, text: string | undefined): string {
  if (text === undefined || text === '') return 'nothing';
  return name.endsWith('_HEADERS') ? masked(name, text) : JSON.stringify(masked(name, text));
}

/** The value without anything that may be secret in a URL; header values are not shown at all. */
function masked(name: string, text: string): string {
  if (name.endsWith('_HEADERS')) return '(hidden)';
  // Sources are a list, and their parameters hold nothing secret; the query of an endpoint may hold a token.
  if (name === 'DATABRICKS_AUDIT_SOURCE') return printable(text.replaceAll(/(\w*:\/\/)?[^,]*@/g, '$1***@'), 200);
  return printable(text.replace(/^(\w*:\/\/)?.*@/s, '$1***@').replace(/\?.*/s, '?***'), 200);
}

/**
 * Unknown variables with our prefix, most likely misspelled. Not an error, because Kubernetes sets variables with this prefix for a
 * Service named databricks-audit (`..._SERVICE_HOST`, `..._PORT_9464_TCP`); those are left out.
 */
export function unknownVariables(environment: Environment): readonly string[] {
  return Object.keys(environment).filter(
    (name) =>
      name.startsWith('DATABRICKS_AUDIT_') && !(name in variables) && !/_(SERVICE_(HOST|PORT)|PORT)(_|$)/.test(name),
  );
}
