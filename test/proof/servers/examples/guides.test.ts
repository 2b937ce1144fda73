/**
 * The guides, as far as they can be tested without a container engine and a cloud: what they refer to exists, what they export
 * reaches the agent, and what they apply is what the tests of the examples run. loki.test.ts and elastic.test.ts run their queries.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { serverDirectory } from '../recipes.ts';
import { loadCompose } from './compose.ts';
import { commandsOf } from './guide.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

describe.each(['loki', 'elastic'])('getting started with %s', (name) => {
  const guide = `getting-started-${name}`;
  const commands = commandsOf(guide);
  const { services } = loadCompose(name);

  test('starts in the folder of the example', () => {
    expect(commands[0]).toBe(`cd examples/${name}`);
  });

  test('runs services that exist in the compose file', () => {
    const compose = commands.filter((command) => command.startsWith('docker compose '));
    const words = compose.map((command) => command.replaceAll(/ --file \S+/g, '').split(' ')[2]);
    expect(words.filter((word) => word !== 'logs').join(' ')).toMatch(/^up( down up)? down run up$/);
    const run = compose.find((command) => command.includes(' run ')) ?? '';
    expect(run).toMatch(/ agent check$/);
    expect(services).toHaveProperty('agent');
  });

  test('exports variables that reach the agent', () => {
    const exported = commands.flatMap((command) => /^export (\w+)=/.exec(command)?.slice(1) ?? []);
    expect(exported).toEqual(expect.arrayContaining(['DATABRICKS_AUDIT_SOURCE', 'AWS_REGION']));
    const fromCredentials = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];
    const { environment } = parse(read(`examples/${name}/compose.yaml`)).services.agent;
    const ofOthers: readonly string[] = exported.filter((variable) => variable === 'ELASTIC_PASSWORD');
    for (const variable of ofOthers)
      expect(read(`examples/${name}/compose.detections.yaml`)).toContain(`\${${variable}`);
    for (const variable of [...exported.filter((each) => !ofOthers.includes(each)), ...fromCredentials]) {
      // Compose uses the value of the shell for a variable without a value, and where it is referenced.
      const isTaken = environment[variable] === null || environment[variable]?.startsWith(`\${${variable}:-`);
      expect(isTaken, variable).toBe(true);
    }
  });

  test('uses ports that are published, on this machine only', () => {
    const addresses = [...read(`docs/${guide}.md`).matchAll(/localhost:(\d+)/g)].map(([, port]) => port);
    const published = Object.values(services).flatMap(({ ports }) => ports);
    expect(new Set(published.map((port) => port.host_ip))).toEqual(new Set(['127.0.0.1']));
    expect(published.map((port) => port.published)).toEqual(expect.arrayContaining([...new Set(addresses)]));
  });
});

test('the dashboard has the name that the guide uses', () => {
  const { uid } = JSON.parse(read('examples/loki/grafana/dashboards/databricks-audit.json'));
  expect(read('docs/getting-started-loki.md')).toContain(`http://localhost:3000/d/${uid}?from=`);
});

describe('getting started on Kubernetes', () => {
  const commands = commandsOf('getting-started-kubernetes');
  const find = (start: string) => commands.filter((command) => command.startsWith(start));

  test('sets variables that the Terraform files declare', () => {
    const [apply = ''] = find('terraform apply');
    const names = [...`${apply} ${read('docs/getting-started-kubernetes.md')}`.matchAll(/-var (\w+)=/g)].map(
      ([, name]) => name,
    );
    expect(names.length).toBeGreaterThan(2);
    for (const name of names) expect(read('examples/aws/variables.tf')).toContain(`variable "${name}"`);
    const given = new Set(names);
    const declared = [...read('examples/aws/variables.tf').matchAll(/variable "(\w+)" \{[^}]*?\n {2}type[^}]*\}/g)];
    const required = declared.filter(([block]) => !block.includes('default')).map(([, name]) => name);
    expect(required.filter((name) => !given.has(name))).toEqual([]);
  });

  test('applies a folder that kustomize can build', () => {
    const folders = [...find('kubectl kustomize'), ...find('kubectl apply --kustomize')].map(
      (command) => command.split(' ').at(-1) ?? '',
    );
    expect(folders).toHaveLength(2);
    for (const folder of folders) {
      const kustomize = join(serverDirectory('tools'), 'bin/kustomize');
      const rendered = execFileSync(kustomize, ['build', folder], { cwd: root, encoding: 'utf8' });
      expect(rendered).toContain('namespace: databricks-audit');
      expect(rendered).toContain('name: agent\n');
    }
  });

  test('refers to an existing container, and to the program in the image', () => {
    const [exec = ''] = find('kubectl --namespace databricks-audit exec');
    expect(exec).toMatch(/deployment\/databricks-audit-otel --container agent -- /);
    const [, program = '', script = ''] = / -- (\S+) (\S+) status$/.exec(exec) ?? [];
    expect(read('Dockerfile')).toContain(`ENTRYPOINT ["${program}", "${script}"]`);
  });
});

test('the README builds the image from the Dockerfile', () => {
  expect(read('README.md')).toContain('docker build --tag databricks-audit-otel .');
  expect(existsSync(join(root, 'Dockerfile'))).toBe(true);
});
