/**
 * Every variable with absurd values: all problems are reported at once, each with its variable and without secrets.
 */
import { describe, expect, it } from 'vitest';
import { type Environment, loadConfiguration } from '../../../src/config/index.ts';
import { variables } from '../../../src/config/variables.ts';
import { createOtlpClient } from '../../../src/export/otlp-client.ts';
import { createMapper } from '../../../src/mapping/index.ts';
import { isAgentError } from '../../../src/model/agent-error.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { decodeLogsRequest, recordsOf } from '../../support/otlp-decode.ts';
import { identifiedLine } from '../../support/sample-lines.ts';
import { testSeed } from '../../support/seed.ts';
import { hostileNumber, hostileText } from './hostile-values.ts';
import { Random } from './random.ts';
import { checkValid } from './record-rules.ts';

const environmentCount = 500;
/** A mapper is created only this often, because that takes most of the time. */
const mapperEvery = 20;
const names = Object.keys(variables);
const secret = 'hunter2';
/** Always a problem, and the first one. */
const misspelled = 'DATABRICKS_AUDIT_MISSPELLED';

describe('an arbitrary environment', () => {
  it('results in a configuration, or in all of its problems at once without secrets', () => {
    for (let index = 0; index < environmentCount; index++) {
      const environment = hostileEnvironment(Random.ofItem(testSeed, index));
      try {
        const problems = problemsAmongOthers(environment);
        if (problems.length === 0 && index % mapperEvery === 0) checkResource(loadConfiguration(environment).mapping);
        const ofEach = Object.keys(environment).flatMap((name) =>
          problemsAmongOthers({ DATABRICKS_AUDIT_SOURCE: '.', ...relatedTo(name, environment) }).filter((problem) =>
            problem.startsWith(`${name}:`),
          ),
        );
        expect(problems.toSorted()).toEqual(ofEach.toSorted());
        for (const problem of problems) {
          expect(names).toContain(problem.split(':', 1)[0]);
          expect(problem).toMatch(/^\w+: .*expected/);
          expect(problem.length).toBeLessThan(2_000);
        }
      } catch (error) {
        throw new Error(
          `seed ${testSeed}, environment ${index}: ${String(error).slice(0, 500)}: ${JSON.stringify(environment)}`,
          { cause: error },
        );
      }
    }
  });

  it.each([
    ['DATABRICKS_AUDIT_SOURCE', `s3://AKIA:${secret}@bucket/prefix`],
    ['DATABRICKS_AUDIT_SOURCE', `s3://user:${secret}@bucket/prefix,https://user:${secret}@host/`],
    ['DATABRICKS_AUDIT_SOURCE', `https://bucket.s3.amazonaws.com/?X-Amz-Signature=${secret}`],
    ['DATABRICKS_AUDIT_SOURCE', `s3://bucket/prefix?X-Amz-Signature=${secret}`],
    ['DATABRICKS_AUDIT_SOURCE', `file:///deliveries?poll=${secret}`],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', `http://user:${secret}@collector`],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', `user:${secret}@collector:4318`],
    ['OTEL_EXPORTER_OTLP_LOGS_ENDPOINT', `ftp://collector/?token=${secret}`],
    ['OTEL_EXPORTER_OTLP_HEADERS', `authorization: Bearer ${secret}`],
    ['OTEL_EXPORTER_OTLP_HEADERS', `authorization=Bearer ${secret}%`],
    ['OTEL_EXPORTER_OTLP_LOGS_HEADERS', `authorization=${secret}\u20ac`],
    ['OTEL_EXPORTER_OTLP_HEADERS', `${secret}`],
  ])('%s does not show the secret in %s', (name, value) => {
    const problems = problemsOf({ DATABRICKS_AUDIT_SOURCE: '.', [name]: value });
    expect(problems.join()).toContain(name);
    expect(problems.join()).not.toContain(secret);
  });
});

/** Empty for a valid configuration, which is then used as far as possible without a network. */
function problemsOf(environment: Environment): readonly string[] {
  try {
    const { otlp } = loadConfiguration(environment);
    if (otlp.caFile === undefined && otlp.clientCertificateFile === undefined && otlp.clientKeyFile === undefined) {
      void createOtlpClient(otlp, systemClock).close();
    }
    return [];
  } catch (error) {
    if (!isAgentError(error, 'ERR_CONFIGURATION')) throw error;
    expect(error.message).not.toContain(secret);
    return error.message.split('\n');
  }
}

/** A mistake in a mapping is a problem of the configuration only if there are others. */
function problemsAmongOthers(environment: Environment): readonly string[] {
  const problems = problemsOf(environment);
  const hasOwnMapping = problems.length === 0 && environment.DATABRICKS_AUDIT_MAPPING !== undefined;
  return hasOwnMapping ? problemsOf({ ...environment, [misspelled]: '' }).slice(1) : problems;
}

/** A record is valid whatever the resource attributes are. */
function checkResource(mapping: Parameters<typeof createMapper>[0]): void {
  const encoder = createMapper({ ...mapping, layers: ['databricks-audit'] }).createEncoder('protobuf');
  encoder.append(identifiedLine('{"timestamp":1759795200000}'));
  for (const { record, resource } of recordsOf(decodeLogsRequest(encoder.finish()))) checkValid(record, resource);
}

/** Variables that decide together what is valid. */
const related: readonly RegExp[] = [
  /^(OTEL_EXPORTER_OTLP_|OTEL_METRICS_EXPORTER$|DATABRICKS_AUDIT_SELF_LOGS$)/,
  /^DATABRICKS_AUDIT_(SOURCE|QUEUE|STATE|DEAD_LETTERS)$/,
];

/** The variable, with those that its validity depends on. */
function relatedTo(name: string, environment: Environment): Environment {
  const group = related.find((pattern) => pattern.test(name));
  return Object.fromEntries(
    Object.entries(environment).filter(([other]) => other === name || group?.test(other) === true),
  );
}

function hostileEnvironment(random: Random): Environment {
  const chosen = names.filter(() => random.chance(random.pick([0.02, 0.25])));
  const entries = chosen.map((name) => [name, hostileValue(name, random).replaceAll('\0', '')] as const);
  return { DATABRICKS_AUDIT_SOURCE: '.', ...Object.fromEntries(entries) };
}

function hostileValue(name: string, random: Random): string {
  if (name.endsWith('_HEADERS'))
    return `${random.pick(['a=', 'a', '=', 'a=%', ', a=', 'content-length='])}${secret}${hostileText(random)}`;
  switch (random.below(8)) {
    case 0:
      return hostileNumber(random);
    case 1:
      return `${hostileNumber(random)}${random.pick(['s', 'ms', 'd', 'h', ' s', 'm'])}`;
    case 2:
      return random.pick([
        '0',
        '1s',
        '60s',
        '7d',
        'otlp',
        'console',
        'none',
        'gzip',
        'secrets',
        'secrets,commands',
        'info',
        'now',
      ]);
    case 3:
      return `${random.pick(['http', 'https', 's3', 'file', 'ftp', ''])}://${random.pick([`user:${secret}@`, ''])}${random.pick(['host', '[::1]', 'a b', '', '..'])}${random.pick(['', ':99999', '/p', `/?t=${secret}`])}`;
    case 4:
      return Array.from({ length: random.size(5) }, () => `${hostileText(random)}=${hostileText(random)}`).join(',');
    case 5:
      return ` ${hostileText(random)} `;
    default:
      return hostileText(random);
  }
}
