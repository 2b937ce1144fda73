/**
 * Loads the configuration from the environment. Reports all problems at once, before anything is read or sent.
 */
import { join } from 'node:path';
import {
  type DeadLetterLocation,
  deadLetterDirectory,
  exportProblems,
  type OtlpOptions,
  resolveExportOptions,
} from '../export/options.ts';
import { builtInNames, layersOf, mappingMistakes, type RedactionClass } from '../mapping/options.ts';
import { AgentError } from '../model/agent-error.ts';
import type { StateLocation } from '../model/state-location.ts';
import type { LogLevel } from '../runtime/logger.ts';
import { printable } from '../runtime/printable.ts';
import { proxyProblems } from '../runtime/proxy.ts';
import type { Start } from '../schedule/options.ts';
import {
  pollIntervalDefault,
  pollIntervalWithQueueMs,
  type QueueLocation,
  resolveSources,
  type SourceLocation,
  variablesOf,
} from '../sources/options.ts';
import type { HttpAddress, MetricsExporter } from '../telemetry/options.ts';
import { misspelledVariables } from './misspelled-variables.ts';
import { telemetryProblems } from './telemetry-problems.ts';
import { type Values, variables } from './variables.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The parsed variables, grouped by the part that uses them. */
export interface Configuration {
  readonly sources: readonly (SourceLocation & {
    readonly pollIntervalMs: number;
    readonly followLinks: boolean;
  })[];
  /** Queues of notifications about the S3 sources. */
  readonly queues: readonly QueueLocation[];
  readonly state: StateLocation;
  readonly deadLetters: DeadLetterLocation;
  readonly mapping: {
    readonly layers: readonly string[];
    readonly redact: readonly RedactionClass[];
    readonly resourceAttributes: Readonly<Record<string, string>>;
    /** Undefined if off. */
    readonly lateAfterMs: number | undefined;
  };
  readonly start: Start;
  readonly lookbackDays: number;
  readonly sweepIntervalMs: number;
  /** 0 if off. */
  readonly silenceAfterMs: number;
  /** With 1, everything runs on the main thread. */
  readonly workers: number;
  readonly batchLimits: { readonly recordsMax: number; readonly bytesMax: number };
  readonly logsExporter: string;
  readonly otlp: OtlpOptions;
  /** For the backend of `reconcile --against`. May contain secrets. */
  readonly againstHeaders: Readonly<Record<string, string>>;
  readonly logLevel: LogLevel;
  readonly telemetry: {
    readonly selfLogs: 'stderr' | 'otlp';
    readonly http: HttpAddress | 'off';
    readonly httpHosts: readonly string[];
    readonly metrics: {
      readonly exporters: readonly MetricsExporter[];
      readonly pushIntervalMs: number;
      readonly pushTimeoutMs: number;
      readonly resourceAttributes: Readonly<Record<string, string>>;
    };
  };
  /** The variables that are set, with secrets masked. */
  readonly settings: readonly { readonly name: string; readonly value: string }[];
}

export interface LoadOptions {
  /** The program passes sources of its own to `createAgent`, so `DATABRICKS_AUDIT_SOURCE` may be unset. */
  readonly hasOwnSources?: boolean | undefined;
}

/** @throws AgentError ERR_CONFIGURATION listing every problem: the variable, what was expected and the value. */
export function loadConfiguration(environment: Environment, options: LoadOptions = {}): Configuration {
  const values = parseAll(environment, options);
  const otlp = resolveExportOptions(values);
  const millisecondsPerDay = 86_400_000;
  return {
    sources: values.DATABRICKS_AUDIT_SOURCE.map((source) => ({
      ...source,
      pollIntervalMs:
        source.pollIntervalMs ?? values.DATABRICKS_AUDIT_POLL_INTERVAL ?? defaultPollIntervalMs(source, values),
      followLinks: values.DATABRICKS_AUDIT_FOLLOW_LINKS,
    })),
    queues: values.DATABRICKS_AUDIT_QUEUE,
    state: values.DATABRICKS_AUDIT_STATE,
    deadLetters:
      values.DATABRICKS_AUDIT_DEAD_LETTERS ?? deadLetterDirectory(join(stateDirectoryOf(values), 'dead-letters')),
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
    otlp,
    againstHeaders: values.DATABRICKS_AUDIT_AGAINST_HEADERS ?? {},
    logLevel: values.OTEL_LOG_LEVEL,
    telemetry: {
      selfLogs: values.DATABRICKS_AUDIT_SELF_LOGS,
      http: values.DATABRICKS_AUDIT_HTTP,
      httpHosts: values.DATABRICKS_AUDIT_HTTP_HOSTS,
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

/** With notifications, listings only find what those have missed. */
function defaultPollIntervalMs(
  source: Values['DATABRICKS_AUDIT_SOURCE'][number],
  { DATABRICKS_AUDIT_QUEUE: queues }: Values,
): number {
  return source.kind === 's3' && queues.length > 0 ? pollIntervalWithQueueMs : pollIntervalDefault(source);
}

function parseAll(environment: Environment, { hasOwnSources = false }: LoadOptions): Values {
  const quoted = quotedVariables(environment);
  const problems = [
    ...quoted.map((name) => `${name}: expected a value without quotes around it (env files of Docker keep them)`),
    ...proxyProblems(environment).filter(
      (problem) => !quoted.some((name) => problem.startsWith(`${name.toUpperCase()}:`)),
    ),
  ];
  const entries = Object.entries(variables).map(([name, schema]) => {
    const text = environment[name];
    const isUnset = text === undefined || text === '';
    if (name === 'DATABRICKS_AUDIT_SOURCE' && hasOwnSources && isUnset) return [name, []] as const;
    if (quoted.includes(name)) return [name, undefined] as const;
    const parsed = schema.safeParse(isUnset ? undefined : text);
    for (const issue of parsed.error?.issues ?? [])
      problems.push(`${name}: ${issue.message}, got ${describeValue(name, text)}`);
    return [name, parsed.data] as const;
  });
  const values: Partial<Values> = Object.fromEntries(entries);
  const { DATABRICKS_AUDIT_SOURCE: locations = [] } = values;
  // First, because a misspelled name explains what is missing.
  problems.unshift(...misspelledVariables(environment, variablesOf(locations)));
  const resolved = resolveSources(locations, environment);
  problems.push(...resolved.problems, ...accessPointProblems(environment, values.DATABRICKS_AUDIT_SOURCE));
  problems.push(...endpointProblems(values, environment, quoted));
  problems.push(...splitListProblems(values), ...queueProblems(values), ...sharedStateProblems(values));
  problems.push(...deadLetterProblems(values, environment));
  for (const { variable, problem } of [...exportProblems(values), ...telemetryProblems(values)]) {
    problems.push(`${variable}: ${problem}, got ${describeValue(variable, environment[variable])}`);
  }
  if (problems.length > 0) {
    problems.push(...mappingProblems(values, environment));
    throw new AgentError('ERR_CONFIGURATION', problems.join('\n'), {
      hint: 'docs/configuration.md lists every variable with its default.',
    });
  }
  return { ...(values as Values), DATABRICKS_AUDIT_SOURCE: [...resolved.sources] };
}

/** A quoted path would be another path, and a quoted region another region. */
function quotedVariables(environment: Environment): readonly string[] {
  return Object.entries(environment)
    .filter(
      ([name]) =>
        name in variables ||
        /^(AWS_|AZURE_|DATABRICKS_(HOST|TOKEN|CLIENT|CONFIG|AUTH|WAREHOUSE)|GOOGLE_|STORAGE_EMULATOR_HOST$|(HTTPS?|NO)_PROXY$)/i.test(
          name,
        ),
    )
    .filter(([, text = '']) => /^\s*(["']).*\1\s*$/s.test(text))
    .map(([name]) => name);
}

/** With `minio:9000`, the AWS SDK fails at the first request, or takes the host for a scheme. */
function endpointProblems(
  values: Partial<Values>,
  environment: Environment,
  quoted: readonly string[],
): readonly string[] {
  const { DATABRICKS_AUDIT_SOURCE: sources = [], DATABRICKS_AUDIT_QUEUE: queues = [] } = values;
  const hasBucket = [...sources, values.DATABRICKS_AUDIT_DEAD_LETTERS].some((place) => place?.kind === 's3');
  const own = [
    ...(hasBucket ? ['AWS_ENDPOINT_URL_S3'] : []),
    ...(queues.length > 0 ? ['AWS_ENDPOINT_URL_SQS'] : []),
    ...(values.DATABRICKS_AUDIT_STATE?.kind === 'dynamodb' ? ['AWS_ENDPOINT_URL_DYNAMODB'] : []),
  ];
  return (own.length === 0 ? [] : ['AWS_ENDPOINT_URL', ...own])
    .filter((name) => !quoted.includes(name))
    .filter((name) => environment[name] && !/^https?:$/.test(URL.parse(environment[name])?.protocol ?? ''))
    .map(
      (name) =>
        `${name}: expected the URL of a server such as https://minio.example.com:9000, got ${describeValue(name, environment[name])}`,
    );
}

/** The AWS SDK addresses a bucket at a custom endpoint by its path, and an access point has none. */
function accessPointProblems(
  environment: Environment,
  sources: Values['DATABRICKS_AUDIT_SOURCE'] | undefined = [],
): readonly string[] {
  const endpoint = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'].find((name) => environment[name]);
  const hasAccessPoint = sources.some((source) => source.kind === 's3' && source.bucket.startsWith('arn:'));
  if (endpoint === undefined || !hasAccessPoint) return [];
  return [
    `DATABRICKS_AUDIT_SOURCE: expected the alias of the access point instead of its ARN, because ${endpoint} is set`,
  ];
}

interface ListParameter {
  /** What the list consists of, for messages. */
  readonly list: string;
  readonly isSet: (source: SourceLocation) => boolean;
  /** Other parameters may follow the item. */
  readonly isItem: (name: string) => boolean;
}

/** Parameters of sources whose values are lists. */
const listParameters: readonly ListParameter[] = [
  {
    list: 'layers of ?mapping=',
    isSet: ({ mapping }) => mapping !== undefined,
    isItem: (name) => builtInNames().includes(name) || /\.ya?ml$/i.test(name),
  },
  {
    list: 'ids of ?workspaces=',
    isSet: (source) => source.kind === 'table' && source.workspaces !== undefined,
    isItem: (name) => /^\d{1,20}(&|$)/.test(name),
  },
];

/**
 * After a comma that is not written as %2C, an item would be a directory or a file whose lines are shipped, and the source would be
 * read without it.
 */
function splitListProblems({ DATABRICKS_AUDIT_SOURCE: sources = [] }: Partial<Values>): readonly string[] {
  return sources.flatMap(({ kind, name }, index) => {
    const parameter = kind === 'directory' && splitFrom(name, sources.slice(0, index));
    if (!parameter) return [];
    return `DATABRICKS_AUDIT_SOURCE: expected %2C between the ${parameter.list}, because a comma begins another source, got ${JSON.stringify(printable(name, 200))}`;
  });
}

/** The parameter of an earlier source that the name belongs to, unless it is a directory. */
function splitFrom(name: string, earlier: readonly SourceLocation[]): ListParameter | undefined {
  return listParameters.find(({ isSet, isItem }) => isItem(name) && earlier.some(isSet));
}

function queueProblems({
  DATABRICKS_AUDIT_QUEUE: queues = [],
  DATABRICKS_AUDIT_SOURCE: sources,
}: Partial<Values>): string[] {
  if (queues.length === 0 || sources === undefined || sources.some(({ kind }) => kind === 's3')) return [];
  return [
    'DATABRICKS_AUDIT_QUEUE: expected an s3:// source in DATABRICKS_AUDIT_SOURCE, because only buckets send notifications',
  ];
}

/** Nothing is ever written to a source; and a shared state outlives the disks of its replicas, so its dead letters must too. */
function deadLetterProblems(
  {
    DATABRICKS_AUDIT_DEAD_LETTERS: deadLetters,
    DATABRICKS_AUDIT_SOURCE: sources = [],
    DATABRICKS_AUDIT_STATE: state,
  }: Partial<Values>,
  environment: Environment,
): string[] {
  const isInvalid = deadLetters === undefined && Boolean(environment.DATABRICKS_AUDIT_DEAD_LETTERS);
  if (deadLetters?.kind !== 's3') {
    // An invalid value has been reported already.
    if (!isShared(state) || isInvalid) return [];
    const expected =
      'expected s3://bucket/prefix with a state that replicas share, because their disks do not outlive them';
    return [
      `DATABRICKS_AUDIT_DEAD_LETTERS: ${expected}, got ${deadLetters === undefined ? 'nothing' : JSON.stringify(deadLetters.name)}`,
    ];
  }
  const isSource = sources.some((source) => source.kind === 's3' && source.bucket === deadLetters.bucket);
  return isSource
    ? [
        `DATABRICKS_AUDIT_DEAD_LETTERS: expected another bucket than that of the source, in which the agent never writes, got ${JSON.stringify(deadLetters.name)}`,
      ]
    : [];
}

/** A mapping alone is read by the commands that need it. Beside other problems, its mistakes must not come as a second report. */
function mappingProblems(
  { DATABRICKS_AUDIT_MAPPING: layers = [], DATABRICKS_AUDIT_SOURCE: sources = [] }: Partial<Values>,
  environment: Environment,
): string[] {
  const mistakesIn = (variable: keyof Values, names: readonly string[]) =>
    mappingMistakes(names, '.').map((mistake) => `${variable}: ${mistake}`);
  const isDefault = !environment.DATABRICKS_AUDIT_MAPPING;
  const ofSources = new Set(sources.flatMap(({ mapping }) => mapping ?? []));
  return [
    ...(isDefault || layers.length === 0 ? [] : mistakesIn('DATABRICKS_AUDIT_MAPPING', layers)),
    ...[...ofSources].flatMap((mapping) => mistakesIn('DATABRICKS_AUDIT_SOURCE', layersOf(mapping))),
  ];
}

/** What belongs to one machine cannot be used by several replicas. */
function sharedStateProblems({
  DATABRICKS_AUDIT_STATE: state,
  DATABRICKS_AUDIT_SOURCE: sources = [],
}: Partial<Values>): string[] {
  if (!isShared(state)) return [];
  return sources
    .filter(({ kind, name }, index) => kind === 'directory' && !splitFrom(name, sources.slice(0, index)))
    .map(
      ({ name }) =>
        `DATABRICKS_AUDIT_SOURCE: expected no directory with a shared state, because its files are identified by inode and time, which differ between machines, got ${JSON.stringify(name)}`,
    );
}

function isShared(state: StateLocation | undefined): boolean {
  return state !== undefined && state.kind !== 'directory';
}

/** Dead letters of a shared state are in a bucket. */
function stateDirectoryOf({ DATABRICKS_AUDIT_STATE: state }: Values): string {
  return state.kind === 'directory' ? state.path : '.';
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
  // A list: what may be secret in one source must not hide the others.
  if (name === 'DATABRICKS_AUDIT_SOURCE') {
    return printable(text.replaceAll(/(\w*:\/\/)?[^,]*@/g, '$1***@').replaceAll(/\?[^,]*/g, '?***'), 200);
  }
  // Without the @, a password may be where a port belongs.
  if (/^postgres(ql)?:/i.test(text) && !text.includes('@')) return 'postgres://***';
  return printable(text.replace(/^(\w*:\/\/)?.*@/s, '$1***@').replace(/\?.*/s, '?***'), 200);
}
