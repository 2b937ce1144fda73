/**
 * Grafana's alerting provisioning: the expressions of the ruler file, for those who alert in Grafana.
 */
import { stringify } from 'yaml';
import { alertLabels, runbookUrl } from '../alert.ts';
import type { PackContext } from '../pack-context.ts';
import type { DetectionRule } from '../rule.ts';
import { windowOf } from '../windows.ts';
import { logqlExpression, who } from './logql.ts';

/** As examples/loki provisions it. */
const datasourceUid = 'loki';

export function grafanaFile(rules: readonly DetectionRule[], context: PackContext): string {
  const intervals = [...new Set(rules.map((rule) => windowOf(rule, context.delayMs).interval.text))];
  const groups = intervals.map((interval) => ({
    orgId: 1,
    name: `databricks-audit-${interval}`,
    folder: 'Databricks audit',
    interval,
    rules: rules
      .filter((rule) => windowOf(rule, context.delayMs).interval.text === interval)
      .map((rule) => grafanaRule(rule, context)),
  }));
  return [
    '# Written by `databricks-audit-otel detections --format grafana`; docs/detections.md has what each rule is for.',
    `# Put your data source's uid where this says \`datasourceUid: ${datasourceUid}\`. Contact points are yours.`,
    stringify({ apiVersion: 1, groups }, { lineWidth: 0, aliasDuplicateObjects: false }),
  ].join('\n');
}

function grafanaRule(rule: DetectionRule, context: PackContext) {
  return {
    uid: rule.id,
    title: rule.title,
    condition: 'above',
    data: [
      {
        refId: 'found',
        // The expression has its own range; an instant query looks at no other time.
        relativeTimeRange: { from: 600, to: 0 },
        datasourceUid,
        queryType: 'instant',
        model: { refId: 'found', queryType: 'instant', expr: logqlExpression(rule, context) },
      },
      {
        refId: 'above',
        datasourceUid: '__expr__',
        model: {
          refId: 'above',
          type: 'threshold',
          expression: 'found',
          conditions: [{ evaluator: { type: 'gt', params: [0] } }],
        },
      },
    ],
    // No data means that nothing was found.
    noDataState: 'OK',
    execErrState: 'Error',
    for: '0s',
    labels: alertLabels(rule),
    annotations: {
      summary: `${rule.title}: ${who(rule, context)}`,
      description: rule.description.replaceAll(/\s+/g, ' '),
      runbook_url: runbookUrl(rule),
    },
  };
}
