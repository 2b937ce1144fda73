/**
 * What a release needs to agree on:
 *
 *     node scripts/release/check-version.ts v1.2.3           fails unless package, chart and changelog are of this version
 *     node scripts/release/check-version.ts v1.2.3 --notes   prints the section of the changelog
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface ReleaseFiles {
  readonly packageJson: string;
  readonly chartYaml: string;
  readonly changelog: string;
}

/** @returns every problem; none if the tag can be released. */
export function releaseProblems(tag: string, files: ReleaseFiles): readonly string[] {
  if (!/^v\d+\.\d+\.\d+(-[\w.]+)?$/.test(tag)) return [`expected a tag such as v1.2.3, got ${tag}`];
  const version = tag.slice(1);
  const { version: ofPackage } = JSON.parse(files.packageJson);
  const chart = parse(files.chartYaml);
  const different = [
    ['package.json', ofPackage],
    ['version of Chart.yaml', chart.version],
    ['appVersion of Chart.yaml', chart.appVersion],
  ].filter(([, found]) => found !== version);
  const problems = different.map(([where, found]) => `${where}: expected ${version}, got ${found}`);
  return releaseNotes(version, files.changelog) === undefined
    ? [...problems, `CHANGELOG.md: expected a section "## ${version} - yyyy-mm-dd"`]
    : problems;
}

/** The section of a version, without its heading; undefined if there is none or it is empty. */
export function releaseNotes(version: string, changelog: string): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => new RegExp(`^${RegExp.escape(version)} - \\d{4}-\\d{2}-\\d{2}\n`).test(text));
  const notes = section?.replace(/^.*\n/, '').trim();
  return notes === '' ? undefined : notes;
}

if (import.meta.main) {
  const [tag = '', option] = process.argv.slice(2);
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const files: ReleaseFiles = {
    packageJson: read('package.json'),
    chartYaml: read('charts/databricks-audit-otel/Chart.yaml'),
    changelog: read('CHANGELOG.md'),
  };
  const problems = releaseProblems(tag, files);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
  else if (option === '--notes') process.stdout.write(`${releaseNotes(tag.slice(1), files.changelog)}\n`);
}
