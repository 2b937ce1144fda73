/**
 * The pack as a whole: its files, the command that writes them, and what a mapping, a filter and a delay change.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { z } from 'zod';
import type { CommandContext } from '../../src/commands/command.ts';
import { detections as writeDetections } from '../../src/commands/detections.ts';
import { labelName } from '../../src/detections/backends/loki.ts';
import { fieldsOf } from '../../src/detections/condition.ts';
import { attributeOf, type MappingTables } from '../../src/detections/fields.ts';
import { compilePack } from '../../src/detections/pack.ts';
import { fieldsOfFinding } from '../../src/detections/rule.ts';
import { readRules } from '../../src/detections/rule-directory.ts';
import { parseRuleFile } from '../../src/detections/rule-file.ts';
import { conversionNames } from '../../src/mapping/conversions.ts';
import { loadMapping } from '../../src/mapping/index.ts';
import { runAgent } from '../support/agent-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const rules = readRules();
const alertsByDefault = rules.filter(({ level }) => level !== 'informational');

/** The command in this process, which is quicker; how it ends is told as cli.ts does. */
async function detections(...words: readonly string[]) {
  const { values } = parseArgs({ args: [...words], options: commandOptions });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const context = { environment: {}, stdout, stderr } as unknown as CommandContext;
  const options = { level: 'low', delay: '20m', ...values, allInOne: values['all-in-one'] ?? false };
  const outcome = await writeDetections(options, context).then(
    (code) => ({ code, message: '' }),
    (error: Error) => ({ code: 2, message: error.message }),
  );
  const [written, notes] = [stdout, stderr].map((stream) => String(stream.read() ?? ''));
  return { code: outcome.code, stdout: written ?? '', stderr: `${notes}${outcome.message}` };
}

const option = { type: 'string' } as const;
const commandOptions = {
  format: option,
  level: option,
  delay: option,
  filters: option,
  mapping: option,
  'all-in-one': { type: 'boolean' },
} as const;

describe('the command', () => {
  test.each([
    ['loki/databricks-audit.yaml', ['--format', 'loki']],
    ['loki/databricks-audit-all-in-one.yaml', ['--format', 'loki', '--all-in-one']],
    ['grafana/databricks-audit.yaml', ['--format', 'grafana']],
    ['elastic/databricks-audit.ndjson', ['--format', 'kibana']],
    ['sigma/databricks-audit.yml', ['--format', 'sigma']],
    ['sigma/databricks-audit-pipeline.yml', ['--format', 'sigma-pipeline']],
  ])('writes detections/%s to standard output, byte for byte', async (file, words) => {
    const { code, stdout } = await runAgent(['detections', ...words], {});
    expect(code).toBe(0);
    expect(stdout).toBe(readFileSync(join(root, 'detections', file), 'utf8'));
  });

  test('writes levels from the one that was asked for', async () => {
    const { stdout } = await detections('--format', 'loki', '--level', 'high');
    const severities = new Set(stdout.match(/(?<=severity: )\w+/g));
    expect([...severities].toSorted()).toEqual(['critical', 'high']);
    const all = await detections('--format', 'loki', '--level', 'informational');
    expect(all.stdout.match(/- alert: /g)).toHaveLength(rules.length);
  });

  test('moves the windows of thresholds by the delay, and makes those of single events long enough', async () => {
    const { stdout } = await detections('--format', 'loki', '--delay', '90m');
    expect(stdout).toContain('[1h] offset 90m)');
    expect(stdout).toContain('[95m]');
    expect(stdout).not.toContain('20m');
    const kibana = await detections('--format', 'kibana', '--delay', '90m');
    expect(kibana.stdout).toContain('"from":"now-150m","to":"now-90m"');
    expect(kibana.stdout).toContain('"from":"now-95m","to":"now"');
  });

  test('takes a delay of seven days', async () => {
    const { code, stdout } = await detections('--format', 'loki', '--delay', '7d');
    expect(code).toBe(0);
    expect(stdout).toContain('[1h] offset 7d)');
  });

  test("names the layers of the mapping in the file for Loki's ruler, in one line", async () => {
    const layer = file('ours\n.yaml', 'attributes: {}\n');
    const { stdout } = await detections('--format', 'loki', '--mapping', `databricks-audit,${layer}`);
    expect(stdout.split('\n')[1]).toBe(
      `# For the mapping layers \`databricks-audit\`, \`${layer.replace('\n', '\\u{a}')}\`. Records may be 20 minutes late.`,
    );
    const byDefault = await detections('--format', 'loki');
    expect(byDefault.stdout).toContain('# For the mapping layers `databricks-audit`, `loki`. Records');
  });

  test('has every rule of the level for Kibana, and says nothing on standard error', async () => {
    const { code, stdout, stderr } = await detections('--format', 'kibana');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.trim().split('\n')).toHaveLength(rules.filter(({ level }) => level !== 'informational').length);
  });

  test('leaves out a rule that says it is not for a format, with its reason', () => {
    const layers = ['databricks-audit', 'elastic'];
    const mapping = loadMapping(layers, '.');
    const options = { layers, mapping, serviceName: 'databricks', delayMs: 0, level: 'low', allInOne: false } as const;
    const chosen = rules.slice(0, 2).map((rule, index) => (index === 0 ? { ...rule, notOn: { kibana: 'No.' } } : rule));
    const { text: kibana, leftOut } = compilePack('kibana', chosen, options);
    expect(leftOut).toEqual([{ rule: chosen[0], reason: 'No.' }]);
    expect(kibana.trim().split('\n')).toHaveLength(1);
    expect(compilePack('loki', chosen, options).leftOut).toEqual([]);
  });

  test.each([
    [['--format', 'splunk'], '--format: expected one of loki, grafana, kibana, sigma, sigma-pipeline, got "splunk"'],
    [[], '--format: expected one of loki, grafana, kibana, sigma, sigma-pipeline, got nothing'],
    [
      ['--format', 'loki', '--level', 'severe'],
      '--level: expected one of informational, low, medium, high, critical, got "severe"',
    ],
    [['--format', 'loki', '--delay', '20'], '--delay: expected whole minutes such as 20m, got "20"'],
    [
      ['--format', 'loki', '--delay', '100000h'],
      '--delay: expected at most 7d, as the rules read so much more each time, got "100000h"',
    ],
    [['--format', 'loki', '--delay', '10081m'], '--delay: expected at most 7d'],
    [['--format', 'loki', '--filters', '/nowhere'], '/nowhere'],
    [['--format', 'kibana', '--all-in-one'], '--all-in-one: expected --format loki with it, got kibana'],
  ])('refuses %j', async (words, message) => {
    const { code, stdout, stderr } = await detections(...words);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
  });
});

test('a command line that is wrong ends with exit code 2, and nothing on standard output', async () => {
  const { code, stdout, stderr } = await runAgent(['detections', '--format', 'splunk'], {});
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('ERR_CONFIGURATION: --format: expected one of loki,');
});

/** The attributes that conditions, groups and counted values of rules need, with their definition in the built-in mapping. */
const usedAttributes = (() => {
  const mapping = loadMapping(['databricks-audit'], '.');
  const definitions: Readonly<Record<'resource' | 'attributes', Readonly<Record<string, unknown>>>> = parse(
    readFileSync(join(root, 'mappings/databricks-audit.yaml'), 'utf8'),
  );
  const uses = rules.flatMap((rule) =>
    [...fieldsOf(rule.condition), ...fieldsOfFinding(rule.finding)].map((field) => ({ slug: rule.slug, field })),
  );
  return [...Map.groupBy(uses, ({ field }) => definedName(field, mapping)).entries()].map(([name, all]) => ({
    name,
    users: [...new Set(all.map(({ slug }) => slug))],
    usersByName: all.filter(({ field }) => field === `otel.${name}`).map(({ slug }) => slug),
    standsIn: name === 'service.instance.id' ? 'databricks.workspace.id' : undefined,
    definition:
      name in definitions.attributes
        ? ({ part: 'attributes', rules: definitions.attributes[name] } as const)
        : ({ part: 'resource', rules: definitions.resource[name] } as const),
  }));
})();

/** The attribute of the mapping that holds the field, or sets it as its flag. */
function definedName(field: string, mapping: MappingTables): string {
  const { name = '', insideMap = false } = attributeOf(field, mapping) ?? {};
  const names = [...mapping.attributes];
  if (insideMap) return names.find(([map]) => name.startsWith(`${map}.`))?.[0] ?? '';
  return names.find(([, all]) => all.some(({ flag }) => flag === name))?.[0] ?? name;
}

describe('the mapping', () => {
  test('of a user that renames an attribute changes the rules', async () => {
    const layer = file(
      'ours.yaml',
      'attributes:\n  databricks.audit.action.name: null\n  ours.action: { from: actionName }\n',
    );
    const { code, stdout } = await detections('--format', 'loki', '--mapping', `databricks-audit,loki,${layer}`);
    expect(code).toBe(0);
    expect(stdout).toContain('| ours_action=~');
    expect(stdout).not.toContain('databricks_audit_action_name');
  });

  test('that has lost an attribute is refused, with the name of every rule', async () => {
    const layer = file('ours.yaml', 'attributes:\n  user_agent.original: null\n');
    const { code, stdout, stderr } = await detections(
      '--format',
      'loki',
      '--mapping',
      `databricks-audit,loki,${layer}`,
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    for (const slug of ['access-from-denied-address', 'secret-scanner']) {
      expect(stderr).toContain(`${slug}: the mapping has no attribute for the field userAgent`);
    }
  });

  describe.each(usedAttributes)(
    'with $name, which rules use,',
    ({ name, definition, users, usersByName, standsIn }) => {
      const scope = { attributes: { 'data_stream.dataset': 'databricks.audit' } };
      const layer = (attributes: object) => file('layer.yaml', stringify({ scope, [definition.part]: attributes }));
      const compiled = (path: string, format: string) =>
        detections('--format', format, '--level', 'informational', '--mapping', `databricks-audit,${path}`);
      // Loki's label, and the attribute as the other formats write it.
      const mention = new RegExp(`\\b(?:${labelName({ name })}|${RegExp.escape(name)})(?![a-z])`);

      test('renamed, the rules ask for the new name and never for the old one', async () => {
        const path = layer({ [name]: null, 'renamed.attribute': definition.rules });
        for (const format of ['loki', 'kibana', 'sigma-pipeline']) {
          const { code, stdout, stderr } = await compiled(path, format);
          if (usersByName.length === 0) {
            expect(code, stderr).toBe(0);
            const other = standsIn ?? 'renamed.attribute';
            expect(stdout).toContain(format === 'loki' ? labelName({ name: other }) : other);
            expect(stdout.match(mention)).toBeNull();
          } else {
            // What has no field in the record is known by its name alone.
            expect(code).toBe(2);
            for (const slug of usersByName)
              expect(stderr).toContain(`${slug}: the mapping has no attribute for the field otel.${name}`);
          }
        }
      });

      test('removed, every rule is an error, or asks for an attribute with the same values', async () => {
        for (const format of ['loki', 'kibana', 'sigma-pipeline']) {
          const { code, stdout, stderr } = await compiled(layer({ [name]: null }), format);
          if (standsIn === undefined) {
            expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
            for (const slug of users) expect(stderr).toContain(`${slug}: the mapping has no attribute for the field `);
          } else {
            expect(code, stderr).toBe(0);
            expect(stdout).toContain(format === 'loki' ? labelName({ name: standsIn }) : standsIn);
            expect(stdout.match(mention)).toBeNull();
          }
        }
      });
    },
  );

  test('that only has a conversion of a field left that loses values is refused', async () => {
    const holding = ['string', 'integer', 'boolean', 'json_text', 'http_status', 'ip_address', 'record_uid'];
    const partial = conversionNames.filter((as) => !holding.includes(as));
    const resource = { 'partial.of.resource': { from: 'sourceIPAddress', as: 'ip_port' } };
    for (const attributes of [
      Object.fromEntries(partial.map((as) => [`partial.${as}`, { from: 'sourceIPAddress', as }])),
      { 'partial.sometimes': { from: 'sourceIPAddress', as: 'ip_address', when: { status: '200..299' } } },
    ]) {
      const layer = file(
        'partial.yaml',
        stringify({ resource, attributes: { 'client.address': null, ...attributes } }),
      );
      const { code, stderr } = await detections('--format', 'loki', '--mapping', `databricks-audit,loki,${layer}`);
      expect(code).toBe(2);
      expect(stderr).toContain('password-spraying: the mapping has no attribute for the field sourceIPAddress');
    }
  });

  test('that has a field in another attribute as well changes nothing', async () => {
    const layer = file('more.yaml', 'attributes:\n  my.status: { from: response.statusCode }\n');
    const { stdout } = await detections('--format', 'kibana', '--mapping', `databricks-audit,elastic,${layer}`);
    expect(stdout).toBe((await detections('--format', 'kibana')).stdout);
  });

  test('without a data stream is refused for Kibana, once, as its rules would search where no record arrives', async () => {
    const { code, stdout, stderr } = await detections('--format', 'kibana', '--mapping', 'databricks-audit,loki');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(
      /written:\nthe mapping has no attribute data_stream\.dataset in its scope, .*--mapping databricks-audit,elastic/,
    );
    expect(stderr.match(/data_stream/g)).toHaveLength(1);
  });

  test.each([
    ['ours', 'logs-ours.otel-*'],
    // As the elasticsearch exporter writes names.
    ['Ours-audit:A', 'logs-ours_audit_a.otel-*'],
  ])('with the data stream %s has Kibana search %s', async (dataset, index) => {
    const layer = file('ours.yaml', stringify({ scope: { attributes: { 'data_stream.dataset': dataset } } }));
    const { stdout } = await detections('--format', 'kibana', '--mapping', `databricks-audit,elastic,${layer}`);
    expect(new Set(stdout.match(/(?<="index":\[").*?(?="\])/g))).toEqual(new Set([index]));
  });

  test('gives a service another name by OTEL_SERVICE_NAME', async () => {
    const { stdout } = await runAgent(['detections', '--format', 'loki'], { OTEL_SERVICE_NAME: 'lakehouse' });
    expect(stdout).toContain('{service_name=`lakehouse`}');
    expect(stdout).not.toContain('service_name=`databricks`');
  });

  test.each([
    ['actionName', 'databricks.audit.action.name'],
    ['userIdentity.email', 'databricks.principal.name'],
    ['sourceIPAddress', 'client.address'],
    ['workspaceId', 'service.instance.id'],
    ['response.statusCode', 'http.response.status_code'],
    ['requestParams.user', 'databricks.request.params.user'],
    ['requestParams.a.b', 'databricks.request.params.a.b'],
    ['otel.databricks.request.truncated', 'databricks.request.truncated'],
  ])('makes of %s the attribute %s, with every layer', (field, name) => {
    for (const layers of [['databricks-audit'], ['databricks-audit', 'loki'], ['databricks-audit', 'elastic']]) {
      expect(attributeOf(field, loadMapping(layers, '.'))?.name).toBe(name);
    }
  });
});

describe('filters', () => {
  const filter = (condition: string, named = '[databricks_deleted_in_bulk]') =>
    [
      'title: Ours',
      'logsource: { product: databricks, service: audit }',
      'filter:',
      `  rules: ${named}`,
      '  selection: { userIdentity.email: terraform@example.com }',
      '  other: { workspaceId: 77 }',
      `  condition: ${condition}`,
    ].join('\n');

  function folderOf(text: string): string {
    const directory = mkdtempSync(join(temporaryDirectory(), 'filters'));
    writeFileSync(join(directory, 'mf_ours.yml'), text);
    return directory;
  }

  test('leave out what they say they do not want, in every format', async () => {
    const directory = folderOf(filter('not selection'));
    const { stdout } = await detections('--format', 'loki', '--filters', directory);
    const lines = stdout.split('\n').filter((line) => line.includes('terraform@example.com'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('and databricks_principal_name!=`terraform@example.com`');
    const kibana = await detections('--format', 'kibana', '--filters', directory);
    expect(kibana.stdout).toContain(String.raw`AND NOT databricks.principal.name:\"terraform@example.com\"`);
    const sigma = await detections('--format', 'sigma', '--filters', directory);
    expect(sigma.stdout.trimEnd().endsWith(filter('not selection'))).toBe(true);
  });

  test.each([
    ['not selection and not other', '`@` and service_instance_id!=`77`'],
    ['not selection or not other', '(`@` or service_instance_id!=`77`)'],
    ['not (selection or other)', '`@` and service_instance_id!=`77`'],
    ['not (selection and other)', '(`@` or service_instance_id!=`77`)'],
    ['not selection or other', '(`@` or service_instance_id=`77`)'],
    ['not (selection and not other)', '(`@` or service_instance_id=`77`)'],
    ['not 1 of them', '`@` and service_instance_id!=`77`'],
    ['not all of them', '(`@` or service_instance_id!=`77`)'],
  ])('with the condition %s are joined to the rule by and', async (condition, written) => {
    const { stdout } = await detections('--format', 'loki', '--filters', folderOf(filter(condition)));
    expect(stdout).toContain(` and ${written.replace('`@`', 'databricks_principal_name!=`terraform@example.com`')}`);
  });

  test.each(['selection', '1 of them', 'selection or other', 'selection and not other', 'not not selection'])(
    'that would leave nothing but what they select are refused: %s',
    async (condition) => {
      const { code, stdout, stderr } = await detections('--format', 'sigma', '--filters', folderOf(filter(condition)));
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(
        `mf_ours.yml: filter.condition: expected what excludes, such as "condition: not selection", got "${condition}"`,
      );
    },
  );

  test('with a field that no attribute holds are named, instead of each rule that they are for', async () => {
    const directory = folderOf(filter('not selection', 'any').replace('userIdentity.email', 'userIdentity.emial'));
    const { code, stderr } = await detections('--format', 'loki', '--filters', directory);
    expect(code).toBe(2);
    expect(stderr).toContain('mf_ours.yml: the mapping has no attribute for the field userIdentity.emial');
    expect(stderr.match(/emial/g)).toHaveLength(1);
  });

  test.each(['loki', 'grafana', 'kibana'])(
    'that %s cannot have are named, instead of each rule that they are for',
    async (format) => {
      const directory = folderOf(
        filter('not selection', 'any').replace(
          'userIdentity.email: terraform@example.com',
          'sourceIPAddress: 10.0.0.0/8',
        ),
      );
      const { code, stderr } = await detections('--format', format, '--filters', directory);
      expect(code).toBe(2);
      expect(stderr).toMatch(
        /mf_ours\.yml: \w+ holds plain IP addresses in client\.address, which 10\.0\.0\.0\/8 is not/,
      );
      expect(stderr.match(/10\.0\.0\.0/g)).toHaveLength(1);
    },
  );

  test('for any rule are for all', async () => {
    const directory = folderOf(filter('not selection', 'any'));
    const { stdout } = await detections('--format', 'kibana', '--filters', directory);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(alertsByDefault.length);
    for (const line of lines) expect(line).toContain('terraform@example.com');
  });

  test.each([
    ['another', 'expected a list of names or ids of rules, or any'],
    ['[databricks_deleted]', 'expected the name or id of a rule, got databricks_deleted'],
    [
      '[8bf13e5a-57b1-424b-ae13-ffd7c5d53ee5]',
      'the id of a correlation; Sigma filters the rule that it counts, databricks_login_failed_repeatedly',
    ],
  ])('for what is no rule, %s, are refused', async (named, message) => {
    const directory = folderOf(filter('not selection', named));
    const { code, stderr } = await detections('--format', 'loki', '--filters', directory);
    expect(code).toBe(2);
    expect(stderr).toContain('mf_ours.yml: filter.rules: ');
    expect(stderr).toContain(message);
  });

  test.each([
    ['two in a file', `${filter('not selection')}\n---\n${filter('not selection')}`, 'expected one filter in a file'],
    ['YAML that is none', 'title: [Ours\n', 'expected YAML, got: Flow sequence'],
    ['a template that was not filled in', 'title: {{ .Values.title }}\n', 'expected YAML, got: a map, '],
    ['an empty file', '', 'the document: '],
  ])('that cannot be read say what is wrong: %s', async (_, text, message) => {
    const { code, stderr } = await detections('--format', 'loki', '--filters', folderOf(text));
    expect(code).toBe(2);
    expect(stderr).toContain(`mf_ours.yml: ${message}`);
  });

  describe('with other keys', () => {
    const written = (from: string, to: string) => folderOf(filter('not selection').replace(from, to));
    const schemas = ['filters', 'detection-rule'].map(
      (name) => new URL(`sigma-schema/sigma-${name}-schema.json`, import.meta.url),
    );
    const keys = schemas.flatMap((schema) => Object.keys(JSON.parse(readFileSync(schema, 'utf8')).properties));
    const describing = keys.filter((key) => !['title', 'logsource', 'filter', 'detection'].includes(key));

    test.each([...new Set(describing)])('of the schemas of Sigma are taken: %s', async (key) => {
      const { code, stdout, stderr } = await detections(
        ...['--format', 'loki', '--filters', written('logsource:', `${key}: test\nlogsource:`)],
      );
      expect(stderr).toBe('');
      expect({ code, filtered: stdout.includes('terraform@example.com') }).toEqual({ code: 0, filtered: true });
    });

    test.each(['product: databricks', 'service: audit'])(
      'are taken with a log source that is less exact than that of the rules: %s',
      async (source) => {
        const directory = written('product: databricks, service: audit', source);
        const { code, stdout } = await detections('--format', 'loki', '--filters', directory);
        expect({ code, filtered: stdout.includes('terraform@example.com') }).toEqual({ code: 0, filtered: true });
      },
    );

    test.each([
      ['logsource:', 'filters: any\nlogsource:', '"filters"'],
      ['service: audit', 'service: clusters', 'logsource.service'],
      ['service: audit', 'category: network', 'logsource.category: expected no category, as the rules have none'],
      ['product: databricks, service: audit', '', 'logsource: expected product: databricks, service: audit, or both'],
    ])('are refused when they would be passed over: %s written as %s', async (from, to, message) => {
      const { code, stderr } = await detections('--format', 'loki', '--filters', written(from, to));
      expect(code).toBe(2);
      expect(stderr).toContain(message);
    });
  });

  test('that are not there are an error, as an allow list that is passed over would be', async () => {
    const directory = mkdtempSync(join(temporaryDirectory(), 'filters'));
    writeFileSync(join(directory, 'mf_ours.txt'), filter('not selection'));
    const { code, stderr } = await detections('--format', 'loki', '--filters', directory);
    expect(code).toBe(2);
    expect(stderr).toContain(`expected Sigma filters (mf_*.yml) in the folder ${JSON.stringify(directory)}`);
  });

  test('in examples/filters are taken', async () => {
    const { code, stdout } = await detections('--format', 'loki', '--filters', join(root, 'examples/filters'));
    expect(code).toBe(0);
    expect(stdout).toContain('client_address!=ip(`192.0.2.0/24`)');
  });
});

describe('a rule that cannot be read', () => {
  const [{ source = '' } = {}] = rules.filter(({ slug }) => slug === 'token-created');

  test.each([
    ['an unknown key', source.replace('level:', 'levels: low\nlevel:'), 'levels'],
    ['a level that there is not', source.replace('level: low', 'level: severe'), 'level'],
    ['no list of steps', source.replace('triage:', 'notes:'), 'triage'],
    ['another log source', source.replace('service: audit', 'service: other'), 'logsource.service'],
    ['YAML that is none', source.replace('detection:', 'detection: ['), 'YAML'],
    ['a condition that names nothing', source.replace('condition: selection', 'condition: selected'), 'selected'],
  ])('says what is wrong: %s', (_, text, named) => {
    expect(text).not.toBe(source);
    expect(() => parseRuleFile('databricks_token_created.yml', text)).toThrow(named);
  });
});

describe('the files of backends', () => {
  const read = (path: string) => readFileSync(join(root, 'detections', path), 'utf8');
  const text = z.string().min(1);
  const texts = z.record(text, z.string());

  test("of Loki's ruler have a rule for each that alerts by default, with what routing needs", () => {
    const file = z
      .strictObject({
        groups: z.array(
          z.strictObject({
            name: text,
            interval: z.string().regex(/^\d+[mh]$/),
            rules: z.array(z.strictObject({ alert: text, expr: text, labels: texts, annotations: texts })),
          }),
        ),
      })
      .parse(parse(read('loki/databricks-audit.yaml')));
    const all = file.groups.flatMap((group) => group.rules);
    expect(all.map(({ alert }) => alert).toSorted()).toEqual(alertsByDefault.map(({ title }) => title).toSorted());
    for (const { labels, annotations } of all) {
      expect(Object.keys(labels)).toEqual(['severity', 'rule', 'tactic', 'technique']);
      expect(Object.keys(annotations)).toEqual(['summary', 'description', 'runbook_url']);
    }
  });

  test('all in one have one expression for each level, and no rule is lost', () => {
    const file = read('loki/databricks-audit-all-in-one.yaml');
    expect(file.match(/rule: all-of-level-/g)).toHaveLength(4);
    for (const { title, finding } of alertsByDefault.filter((rule) => rule.finding.type === 'event')) {
      expect(file, `${title} ${finding.type}`).toContain(title);
    }
  });

  test('of Grafana have a query and a threshold for each rule', () => {
    const rule = z.strictObject({
      uid: z.string().max(40),
      title: text,
      condition: z.literal('above'),
      data: z.tuple([
        z.object({
          refId: z.literal('found'),
          datasourceUid: text,
          model: z.object({ expr: text, queryType: z.literal('instant') }),
        }),
        z.object({
          refId: z.literal('above'),
          datasourceUid: z.literal('__expr__'),
          model: z.object({ type: z.literal('threshold'), expression: z.literal('found') }),
        }),
      ]),
      noDataState: z.literal('OK'),
      execErrState: z.literal('Error'),
      for: text,
      labels: texts,
      annotations: texts,
    });
    const group = z.strictObject({
      orgId: z.literal(1),
      name: text,
      folder: text,
      interval: text,
      rules: z.array(rule),
    });
    const file = z
      .strictObject({ apiVersion: z.literal(1), groups: z.array(group) })
      .parse(parse(read('grafana/databricks-audit.yaml')));
    const uids = file.groups.flatMap((one) => one.rules.map(({ uid }) => uid));
    expect(new Set(uids).size).toBe(alertsByDefault.length);
  });

  test('of Kibana hold what its API takes, one object a line, each disabled', () => {
    const technique = z.object({ id: text, name: text, reference: z.url() });
    const base = {
      rule_id: z.uuid(),
      name: text,
      description: text,
      enabled: z.literal(false),
      severity: z.enum(['low', 'medium', 'high', 'critical']),
      risk_score: z.int().min(0).max(100),
      interval: text,
      from: z.string().regex(/^now-\d+[smhd]$/),
      to: z.string().regex(/^now(-\d+[smhd])?$/),
      language: z.literal('lucene'),
      index: z.array(text).min(1),
      query: text,
      max_signals: z.int(),
      tags: z.array(text),
      threat: z
        .array(
          z.strictObject({
            framework: z.literal('MITRE ATT&CK'),
            tactic: technique,
            technique: z.array(technique.extend({ subtechnique: z.array(technique).optional() })),
          }),
        )
        .min(1),
      false_positives: z.array(text),
      note: text,
      references: z.array(text),
      investigation_fields: z.strictObject({ field_names: z.array(text).min(1) }),
      author: z.array(text),
      license: text,
      version: z.int().min(1),
    };
    const schema = z.discriminatedUnion('type', [
      z.strictObject({ ...base, type: z.literal('query') }),
      z.strictObject({
        ...base,
        type: z.literal('threshold'),
        threshold: z.strictObject({
          field: z.array(text).min(1),
          value: z.int().min(1),
          cardinality: z.array(z.strictObject({ field: text, value: z.int().min(1) })),
        }),
      }),
      z.strictObject({
        ...base,
        type: z.literal('new_terms'),
        new_terms_fields: z.array(text).min(1).max(3),
        history_window_start: text,
      }),
    ]);
    const lines = read('elastic/databricks-audit.ndjson').trimEnd().split('\n');
    const parsed = lines.map((line) => schema.parse(JSON.parse(line)));
    expect(new Set(parsed.map(({ rule_id: id }) => id)).size).toBe(alertsByDefault.length);
    expect(new Set(parsed.map(({ type }) => type))).toEqual(new Set(['query', 'threshold', 'new_terms']));
  });

  test('of Sigma are the rules as they are, and the pipeline has a name for each field in them', () => {
    const documents = parseAllDocuments(read('sigma/databricks-audit.yml'));
    expect(documents.filter((document) => document.has('level'))).toHaveLength(alertsByDefault.length);
    const { transformations } = parse(read('sigma/databricks-audit-pipeline.yml'));
    expect(transformations[0].mapping).toMatchObject({
      actionName: 'databricks.audit.action.name',
      'requestParams.workspaceConfKeys': 'databricks.request.params.workspaceConfKeys',
      'otel.databricks.request.truncated': 'databricks.request.truncated',
    });
  });
});

function file(name: string, content: string): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, content);
  return path;
}
