/**
 * A rehearsal of .github/workflows/release.yml: its steps run as the workflow has them, in a copy of the repository. Programs that
 * need a registry or an identity are stand-ins that record how they were called.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { releaseNotes, releaseProblems } from '../../../../scripts/release/check-version.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { serverDirectory } from '../recipes.ts';
import { helmTemplate, validateResources } from './kubernetes-tools.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const { version } = JSON.parse(read('package.json'));
const repository = 'Example-Org/databricks-audit-otel';

const step = z.object({
  name: z.string().optional(),
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  env: z.record(z.string(), z.string()).optional(),
});
const { jobs } = z
  .object({
    jobs: z.record(
      z.string(),
      z.object({
        needs: z.union([z.string(), z.array(z.string())]).optional(),
        permissions: z.record(z.string(), z.string()).optional(),
        env: z.record(z.string(), z.string()).optional(),
        steps: z.array(step),
      }),
    ),
  })
  .parse(parse(read('.github/workflows/release.yml')));

test('a tag releases image, package and chart, after everything has passed', () => {
  expect(Object.entries(jobs).map(([name, { needs }]) => [name, needs])).toEqual([
    ['check', undefined],
    ['npm', 'check'],
    ['image', 'check'],
    ['chart', ['npm', 'image']],
  ]);
  expect(jobs.check?.steps.map(({ run }) => run)).toContain('.ci/run');
  for (const name of ['npm', 'image', 'chart']) expect(jobs[name]?.permissions).toMatchObject({ 'id-token': 'write' });
});

describe('the version', () => {
  const files = {
    packageJson: read('package.json'),
    chartYaml: read('charts/databricks-audit-otel/Chart.yaml'),
    changelog: read('CHANGELOG.md'),
  };

  test('of package, chart and changelog is that of the tag', () => {
    expect(releaseProblems(`v${version}`, files)).toEqual([]);
    const { output } = rehearse('check', 'Check that package, chart and changelog have the version of the tag');
    expect(output).toBe('');
  });

  test('that differs anywhere is a problem, and all are named', () => {
    expect(releaseProblems('v9.9.9', files)).toEqual([
      `package.json: expected 9.9.9, got ${version}`,
      `version of Chart.yaml: expected 9.9.9, got ${version}`,
      `appVersion of Chart.yaml: expected 9.9.9, got ${version}`,
      'CHANGELOG.md: expected a section "## 9.9.9 - yyyy-mm-dd"',
    ]);
    expect(releaseProblems('1.0', files)).toEqual(['expected a tag such as v1.2.3, got 1.0']);
  });

  test('has notes in the changelog', () => {
    expect(
      releaseNotes('1.2.3', '# C\n\n## Unreleased\n\n## 1.2.3 - 2026-01-31\n\n- a\n\n## 1.2.2 - 2026-01-30\n\n- b\n'),
    ).toBe('- a');
    expect(releaseNotes('1.2.3', '## 1.2.3 - 2026-01-31\n\n## 1.2.2 - 2026-01-30\n\n- b\n')).toBeUndefined();
    expect(releaseNotes('1.2.3', '## 1x2.3 - 2026-01-31\n\n- a\n')).toBeUndefined();
  });
});

test('npm gets the repository that the provenance names', () => {
  const { directory } = rehearse('npm', 'Name the repository, which npm compares with the provenance');
  expect(JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')).repository).toEqual({
    type: 'git',
    url: `git+https://github.com/${repository}.git`,
  });
});

test.each([
  ['v9.9.9', '', ''],
  ['v9.9.9-rc.1', ' --tag next', ' --prerelease'],
])('npm and GitHub take the tag %s for what it is, a pre-release if it has a hyphen', (tag, npmTag, prerelease) => {
  expect(rehearse('npm', 'Publish', { GITHUB_REF_NAME: tag, npm: 'stand-in' }).calls).toEqual([
    `npm publish --provenance --access public${npmTag}`,
  ]);
  const directory = copyOfRelease(tag.slice(1));
  const { calls } = rehearse('chart', 'Create the release', { GITHUB_REF_NAME: tag }, directory);
  expect(calls).toEqual([
    `gh release create ${tag} --repo ${repository} --title ${tag} --notes-file notes.md${prerelease} release/bill.json`,
  ]);
});

test('the image is built for both architectures, with a bill of materials and provenance, and signed', () => {
  const build = jobs.image?.steps.find(({ uses }) => uses?.startsWith('docker/build-push-action'));
  expect(build?.with).toMatchObject({
    platforms: 'linux/amd64,linux/arm64',
    push: true,
    sbom: true,
    provenance: 'mode=max',
  });
  const { calls, directory } = rehearse('image', 'Sign the image and attest its contents', {
    DIGEST: 'sha256:abc',
    npm: 'stand-in',
  });
  expect(calls).toEqual([
    'npm ci --ignore-scripts',
    'cosign sign --yes --recursive ghcr.io/example-org/databricks-audit-otel@sha256:abc',
    'cosign attest --yes --type cyclonedx --predicate bill.cdx.json ghcr.io/example-org/databricks-audit-otel@sha256:abc',
  ]);
  const bill = JSON.parse(readFileSync(join(directory, 'bill.cdx.json'), 'utf8'));
  expect(bill.components.length).toBeGreaterThan(20);
});

test('the chart is packed with the published image, pushed, signed, and released with checksums', () => {
  const directory = copyOfRepository();
  const run = (name: string) => rehearse('chart', name, {}, directory);
  run('Package the chart');
  run('Write the bill of materials');
  const archive = join(directory, 'release', `databricks-audit-otel-${version}.tgz`);
  const values = ['--set', 'source=s3://bucket', '--set', 'otlp.endpoint=http://collector:4318'];
  const resources = helmTemplate(values, archive);
  validateResources(resources);
  expect(resources.container('agent').image).toBe(`ghcr.io/example-org/databricks-audit-otel:${version}`);

  expect(run('Push and sign the chart').calls).toEqual([
    `helm push release/databricks-audit-otel-${version}.tgz oci://ghcr.io/example-org/charts`,
    'cosign sign --yes ghcr.io/example-org/charts/databricks-audit-otel@sha256:def',
  ]);
  expect(run('Sign the files of the release').calls).toEqual([
    'cosign sign-blob --yes --bundle checksums.txt.sigstore.json checksums.txt',
  ]);
  execFileSync('sha256sum', ['--check', 'checksums.txt'], { cwd: join(directory, 'release'), stdio: 'pipe' });
  const [create = ''] = run('Create the release').calls;
  expect(create).toContain(`gh release create v${version} --repo ${repository}`);
  for (const name of [`databricks-audit-otel-${version}.tgz`, 'databricks-audit-otel.cdx.json', 'checksums.txt']) {
    expect(create).toContain(` release/${name}`);
    expect(existsSync(join(directory, 'release', name)), name).toBe(true);
  }
  expect(readFileSync(join(directory, 'notes.md'), 'utf8')).toContain(releaseNotes(version, read('CHANGELOG.md')));
});

/** What a step needs of the repository; node_modules is the one of this checkout. */
function copyOfRepository(): string {
  const directory = temporaryDirectory();
  for (const path of [
    'CHANGELOG.md',
    'package.json',
    'package-lock.json',
    'charts',
    'examples/prometheus',
    'scripts',
  ]) {
    cpSync(join(root, path), join(directory, path), { recursive: true, verbatimSymlinks: true });
  }
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

/** With another version, and one file to release. */
function copyOfRelease(of: string): string {
  const directory = copyOfRepository();
  for (const [file, from, to] of [
    ['package.json', `"version": "${version}"`, `"version": "${of}"`],
    ['charts/databricks-audit-otel/Chart.yaml', RegExp(`ersion: "?${version}"?`, 'g'), `ersion: ${of}`],
    ['CHANGELOG.md', '## Unreleased', `## ${of} - 2026-12-31`],
  ] as const) {
    const path = join(directory, file);
    writeFileSync(path, readFileSync(path, 'utf8').replace(from, to));
  }
  mkdirSync(join(directory, 'release'));
  writeFileSync(join(directory, 'release/bill.json'), '{}');
  return directory;
}

/** Runs a step of the workflow. @returns the calls of stand-ins, in order. */
function rehearse(
  job: string,
  name: string,
  variables: Readonly<Record<string, string>> = {},
  directory = copyOfRepository(),
) {
  const found = jobs[job]?.steps.find((each) => each.name === name);
  if (found?.run === undefined) throw new Error(`the job ${job} has no step "${name}" with commands`);
  const bin = join(directory, 'stand-ins');
  const log = join(bin, 'calls.log');
  mkdirSync(bin, { recursive: true });
  writeFileSync(log, '');
  const record = `echo "$(basename "$0") $*" >>'${log}'`;
  const helm = join(serverDirectory('tools'), 'bin/helm');
  const programs: Record<string, string> = {
    cosign: record,
    gh: record,
    helm: `if [ "$1" = push ]; then ${record}; echo 'Digest: sha256:def'; else exec '${helm}' "$@"; fi`,
    ...('npm' in variables ? { npm: record } : {}),
  };
  for (const [program, script] of Object.entries(programs)) {
    writeFileSync(join(bin, program), `#!/usr/bin/env bash\n${script}\n`);
    chmodSync(join(bin, program), 0o755);
  }
  const given = { ...jobs[job]?.env, ...found.env };
  const output = execFileSync('bash', ['-e', '-o', 'pipefail', '-c', found.run], {
    cwd: directory,
    encoding: 'utf8',
    stdio: 'pipe',
    env: {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: directory,
      GITHUB_REF_NAME: `v${version}`,
      GITHUB_REPOSITORY: repository,
      GITHUB_SERVER_URL: 'https://github.com',
      ...Object.fromEntries(
        Object.entries(given).map(([variable, value]) => [
          variable,
          value.replace(/\$\{\{ github\.repository_owner \}\}/, 'Example-Org'),
        ]),
      ),
      ...variables,
    },
  });
  const calls = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return { output, calls, directory };
}

test('every step that runs commands is rehearsed here, or says in its name what it needs', () => {
  const notHere = ['npm ci', 'npm ci --ignore-scripts', '.ci/run'];
  const commands = Object.values(jobs).flatMap(({ steps }) => steps.filter(({ run }) => run !== undefined));
  const text = readFileSync(fileURLToPath(import.meta.url), 'utf8');
  const missing = commands.filter(({ run = '', name = '' }) => !notHere.includes(run) && !text.includes(`'${name}'`));
  expect(missing).toEqual([]);
  expect(globSync('scripts/release/*', { cwd: root }).toSorted()).toEqual([
    'scripts/release/check-version.ts',
    'scripts/release/package-chart.sh',
  ]);
});
