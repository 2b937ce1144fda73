/**
 * A dashboard for Grafana on Loki: how often each rule's condition is met, without its threshold. That shows what an alert
 * would have been, and where a threshold should be.
 */

import { labelName } from './backends/loki.ts';
import { type Condition, contains } from './condition.ts';
import { logqlSelection } from './formats/logql.ts';
import type { PackContext } from './pack-context.ts';
import { type DetectionRule, levels } from './rule.ts';

const datasource = { type: 'loki', uid: 'loki' };
const width = 24;
const rowHeight = 8;

export function renderDetectionsDashboard(rules: readonly DetectionRule[], context: PackContext): string {
  const panels = levels.toReversed().flatMap((level) => panelsOfLevel(level, rules, context));
  const dashboard = {
    uid: 'databricks-detections',
    title: 'Databricks detections',
    description:
      'Records that fit the conditions of detection rules, before thresholds. Rules that search the whole record are in the tables only. Written by `npm run docs`.',
    tags: ['databricks', 'audit'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    timezone: 'browser',
    time: { from: 'now-24h', to: 'now' },
    refresh: '',
    templating: { list: [] },
    annotations: { list: [] },
    panels: placed(panels),
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

interface Panel {
  readonly width: number;
  readonly title: string;
  readonly content: object;
}

function panelsOfLevel(level: string, rules: readonly DetectionRule[], context: PackContext): Panel[] {
  const ofLevel = rules.filter((rule) => rule.level === level);
  if (ofLevel.length === 0) return [];
  // Line filters stand in front of the labels of a whole query, so that rules with keywords cannot be joined.
  const joinable = ofLevel.flatMap(({ condition }) => (contains(condition, 'keywords') ? [] : [condition]));
  return [
    {
      width: width / 2,
      title: `${level}: records by rule`,
      content: {
        type: 'table',
        targets: ofLevel.map((rule, index) => ({
          refId: `rule${index}`,
          queryType: 'instant',
          expr: `label_replace(sum(count_over_time(${logqlSelection(rule.condition, context)} [$__range])), "rule", "${rule.slug}", "", "")`,
        })),
        transformations: [
          { id: 'merge', options: {} },
          { id: 'organize', options: { excludeByName: { Time: true } } },
        ],
      },
    },
    ...(joinable.length === 0 ? [] : [panelOfAll(level, joinable, context)]),
  ];
}

function panelOfAll(level: string, conditions: readonly Condition[], context: PackContext): Panel {
  const by = ['userIdentity.email', 'actionName'].map((field) => labelName(context.attributeOf(field)));
  const all = logqlSelection({ type: 'or', parts: conditions }, context);
  return {
    width: width / 2,
    title: `${level}: records by principal and action`,
    content: {
      type: 'timeseries',
      targets: [
        { refId: 'all', queryType: 'range', expr: `sum by (${by.join(', ')}) (count_over_time(${all} [$__auto]))` },
      ],
    },
  };
}

function placed(panels: readonly Panel[]): object[] {
  return panels.map(({ title, width: panelWidth, content }, index) => ({
    id: index + 1,
    title,
    datasource,
    gridPos: { x: (index % 2) * panelWidth, y: Math.floor(index / 2) * rowHeight, w: panelWidth, h: rowHeight },
    ...content,
  }));
}
