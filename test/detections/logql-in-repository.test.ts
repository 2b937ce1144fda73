/**
 * LogQL that is written by hand: Loki does not always anchor a regular expression on a label
 * (github.com/grafana/loki/issues/23892), so each has its anchors, as the compiler writes them.
 */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const files = globSync(
  ['docs/**/*.md', 'README.md', 'examples/**/*.{json,yaml,md}', 'detections/**/*.{yaml,json}', 'src/**/*.ts'],
  {
    cwd: root,
  },
);

/** In TypeScript the operators stand in code that puts a query together. */
const compiler = 'src/detections/backends/loki.ts';
/** PromQL and the matchers of Alertmanager, which are always anchored. */
const otherLanguages = [
  'examples/prometheus/alerts.yaml',
  'examples/prometheus/dashboard.json',
  'examples/loki/alertmanager.yaml',
];

test('every regular expression on a label in the repository has its anchors', () => {
  const expressions = files
    .filter((path) => path !== compiler && !otherLanguages.includes(path))
    .flatMap((path) =>
      [...readFileSync(`${root}${path}`, 'utf8').matchAll(/\w+\s*[=!]~\s*\\?(["`])(.*?)\\?\1/g)].map(
        ([whole, , expression = '']) => ({
          path,
          whole,
          anchored: /^\^\(\?s?:/.test(expression) && expression.endsWith(')$'),
        }),
      ),
    );
  expect(expressions.length).toBeGreaterThan(100);
  expect(expressions.filter(({ anchored }) => !anchored)).toEqual([]);
});
