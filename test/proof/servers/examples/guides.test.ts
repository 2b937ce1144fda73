/**
 * The guides, as far as they can be tested without a container engine and a cloud: what they refer to exists, what they export
 * reaches the agent, and what they apply is what the tests of the examples run. loki.test.ts and elastic.test.ts run their queries.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { variables } from '../../../../src/config/variables.ts';
import { startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { sampleDelivery, shipAll } from '../built-agent.ts';
import { loadCompose } from './compose.ts';
import { blocksOf, commandsOf } from './guide.ts';
import { helm, kustomize, parseResources, validateResources } from './kubernetes-tools.ts';

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
    // `run` starts a service and what it depends on; `check` asks the Collector.
    expect(services.agent?.depends_on).toHaveProperty('collector');
  });

  test('exports variables that reach the agent', () => {
    const exported = commands.flatMap((command) => /^export (\w+)=/.exec(command)?.slice(1) ?? []);
    expect(exported).toEqual(expect.arrayContaining(['DATABRICKS_AUDIT_SOURCE', 'AWS_REGION']));
    const fromCredentials = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];
    const { environment } = parse(read(`examples/${name}/compose.yaml`)).services.agent;
    const ofOthers: readonly string[] = ['COMPOSE_FILE', 'ELASTIC_PASSWORD'];
    for (const variable of [...exported.filter((each) => !ofOthers.includes(each)), ...fromCredentials]) {
      // Compose uses the value of the shell for a variable without a value, and where it is referenced.
      const isTaken = environment[variable] === null || environment[variable]?.startsWith(`\${${variable}:-`);
      expect(isTaken, variable).toBe(true);
    }
  });

  test('names no file of Compose at a command, but those of all commands in a variable, if there are several', () => {
    expect(commands.join('\n')).not.toContain(' --file ');
    const files = commands.flatMap((command) => /^export COMPOSE_FILE=(.*)/.exec(command)?.[1]?.split(':') ?? []);
    expect(files).toEqual(name === 'elastic' ? ['compose.yaml', 'compose.detections.yaml'] : []);
    for (const file of files) expect(existsSync(join(root, 'examples', name, file)), file).toBe(true);
    expect(commands.some((command) => command.startsWith('export ELASTIC_PASSWORD='))).toBe(files.length > 0);
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
    const [apply = ''] = find('terraform -chdir=examples/aws apply');
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

  test('copies the folder, and applies an overlay of the copy that kustomize can build', () => {
    const [copy = ''] = find('cp ');
    const directory = temporaryDirectory();
    execFileSync('bash', ['-c', copy.replace(' examples/', ` ${root}examples/`)], { cwd: directory });
    const folders = [...find('kubectl kustomize'), ...find('kubectl apply --kustomize')].map(
      (command) => command.split(' ').at(-1) ?? '',
    );
    expect(folders).toHaveLength(2);
    for (const folder of folders) {
      const { namespace } = kustomize(join(directory, folder)).workload().metadata;
      expect(namespace).toBe('databricks-audit');
    }
  });

  test('refers to an existing container, and to the program in the image', () => {
    const [exec = ''] = find('kubectl --namespace databricks-audit exec');
    expect(exec).toMatch(/deployment\/databricks-audit-otel --container agent -- /);
    const [, program = '', script = ''] = / -- (\S+) (\S+) status$/.exec(exec) ?? [];
    expect(read('Dockerfile')).toContain(`ENTRYPOINT ["${program}", "${script}"]`);
  });
});

describe('getting started with Helm', () => {
  const guide = 'getting-started-helm';
  const [first = '', replicas = ''] = blocksOf(guide, 'yaml');

  /** Runs a command of the guide in a folder with its values; rendering stands for installing. */
  function renderAs(command: string, values: string) {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'my-values.yaml'), values);
    const [, name = '', chart = '', options = ''] = /^helm (?:install|upgrade) (\S+) (\S+) (.*)$/.exec(command) ?? [];
    const words = options.replace('my-values.yaml', join(directory, 'my-values.yaml')).split(' ');
    return parseResources(helm(['template', name, join(root, chart), ...words]));
  }

  test('installs and upgrades with the values that it shows, also with two replicas', () => {
    const commands = commandsOf(guide).filter((command) => /^helm (install|upgrade)/.test(command));
    expect(commands).toHaveLength(3);
    for (const command of commands) {
      for (const [values, count] of [
        [first, 1],
        [`${first}\n${replicas}`, 2],
      ] as const) {
        const resources = renderAs(command, values);
        if (command === commands[0]) validateResources(resources);
        expect(resources.workload().spec.replicas).toBe(count);
      }
    }
    const [, , withSecret = ''] = commands;
    expect(commands[1]).toContain('existingSecret=audit-credentials');
    expect(withSecret).not.toContain('existingSecret');
  });

  test('refers to the deployment and the container that it installs, and to the program in the image', () => {
    const [install = ''] = commandsOf(guide).filter((command) => command.startsWith('helm install'));
    const { metadata } = renderAs(install, first).workload();
    const kubectl = commandsOf(guide).filter((command) => command.includes('deployment/'));
    expect(kubectl).toHaveLength(2);
    for (const command of kubectl) {
      expect(command).toContain(`--namespace ${metadata.namespace} `);
      expect(command).toContain(`deployment/${metadata.name}`);
    }
    const [, program = '', script = ''] = / --container agent -- (\S+) (\S+) check$/.exec(kubectl[1] ?? '') ?? [];
    expect(read('Dockerfile')).toContain(`ENTRYPOINT ["${program}", "${script}"]`);
  });
});

describe('getting started with Docker', () => {
  const commands = commandsOf('getting-started-docker');
  const find = (start: string) => commands.find((command) => command.startsWith(start)) ?? '';

  test('builds the image from the Dockerfile, and runs it', () => {
    expect(find('docker build')).toBe('docker build --tag databricks-audit-otel .');
    expect(existsSync(join(root, 'Dockerfile'))).toBe(true);
    expect(find('docker run')).toMatch(/ databricks-audit-otel$/);
    expect(read('Dockerfile')).toContain('VOLUME /state');
    const given = [...find('docker run').matchAll(/--env (\w+)=/g)].map(([, name = '']) => name);
    expect(given.filter((name) => !(name in variables) && !name.startsWith('AWS_'))).toEqual([]);
  });

  test('refers to the program in the image', () => {
    const [, program = '', script = ''] = / (\S+) (\S+) check$/.exec(find('docker exec')) ?? [];
    expect(read('Dockerfile')).toContain(`ENTRYPOINT ["${program}", "${script}"]`);
  });
});

test('each path of the README has a page, and each page says what was tested or is run by a test', () => {
  const [, table = ''] = /## Choose your setup\n([\s\S]*?)\n## /.exec(read('README.md')) ?? [];
  const pages = [...table.matchAll(/\(docs\/(getting-started-\w+\.md|credentials\.md)/g)].map(([, page = '']) => page);
  const all = globSync('getting-started-*.md', { cwd: join(root, 'docs') });
  expect(pages.toSorted()).toEqual([...all, 'credentials.md'].toSorted());
  for (const page of pages.filter((each) => !/loki|elastic/.test(each)))
    expect(read(`docs/${page}`), page).toMatch(/Tests? /);
});

describe('getting started with systemd', () => {
  const folder = join(root, 'examples/systemd');
  const unit = read('examples/systemd/databricks-audit-otel.service');
  const commands = commandsOf('getting-started-systemd');

  test('installs files that exist, at the paths that the unit names', () => {
    for (const [, path = ''] of commands.join('\n').matchAll(/ (examples\/\S+)/g))
      expect(existsSync(join(root, path))).toBe(true);
    expect(unit).toContain('EnvironmentFile=/etc/databricks-audit-otel.env\n');
    const { version } = JSON.parse(read('package.json'));
    expect(commands.join('\n')).toContain(`./databricks-audit-otel-${version}.tgz`);
  });

  test('sets only variables that the agent knows, which it accepts as systemd reads them', async () => {
    const settings = Object.fromEntries(
      read('examples/systemd/databricks-audit-otel.env')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.split(/=(.*)/s, 2) as [string, string]),
    );
    const receiver = await startOtlpReceiver();
    onTestFinished(() => receiver.close());
    expect(settings.OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://localhost:4318');
    const [, stateDirectory] = /^StateDirectory=(.*)$/m.exec(unit) ?? [];
    expect(unit).toContain(`Environment=DATABRICKS_AUDIT_STATE=/var/lib/${stateDirectory}\n`);
    await shipAll({
      ...settings,
      DATABRICKS_AUDIT_SOURCE: sampleDelivery,
      DATABRICKS_AUDIT_STATE: temporaryDirectory(),
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    });
    expect(receiver.accepted).toHaveLength(15);
  });

  const analyze = spawnSync('systemd-analyze', ['--version']);

  test.skipIf(analyze.error !== undefined)('systemd accepts the unit, and finds little that it may do', () => {
    const file = join(folder, 'databricks-audit-otel.service');
    const verified = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
    expect(verified.stderr).toBe('');
    const rated = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', '--no-pager', file]);
    expect(rated.status, rated.stdout.toString()).toBe(0);
  });
});
