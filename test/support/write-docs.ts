/**
 * Writes the generated documents (`npm run docs`). Tests fail if one of them is out of date.
 */
import { writeFileSync } from 'node:fs';
import { renderConfigurationReference } from '../../src/config/index.ts';
import { renderDetectionsDashboard } from '../../src/detections/dashboard.ts';
import { contextOf } from '../../src/detections/pack-context.ts';
import { renderDetectionsReference } from '../../src/detections/reference.ts';
import { readRules } from '../../src/detections/rule-directory.ts';
import { loadMapping } from '../../src/mapping/index.ts';
import { renderMetricsReference } from '../../src/telemetry/reference.ts';
import { type FormatName, writeDetections } from '../../src/tools/detections.ts';
import { renderMappingReference } from '../../src/tools/mapping/reference.ts';
import { renderRegistry } from '../../src/tools/mapping/registry.ts';
import { renderErrorsPage } from './errors-page.ts';
import { registryExamples } from './registry-examples.ts';

/** Renderers by path from the root of the repository. */
export const generatedDocuments = {
  'docs/mapping.md': { render: renderMappingReference, says: 'the mapping file says' },
  'docs/configuration.md': { render: renderConfigurationReference, says: 'the schemas say' },
  'live-page/errors.html': { render: renderErrorsPage, says: 'docs/errors.md says' },
  'docs/metrics.md': { render: renderMetricsReference, says: 'the table of instruments says' },
  'docs/detections.md': { render: () => renderDetectionsReference(readRules()), says: 'the rules say' },
  'detections/loki/databricks-audit.yaml': detections('loki'),
  'detections/loki/databricks-audit-all-in-one.yaml': detections('loki', true),
  'detections/grafana/databricks-audit.yaml': detections('grafana'),
  'detections/elastic/databricks-audit.ndjson': detections('kibana'),
  'detections/sigma/databricks-audit.yml': detections('sigma'),
  'detections/sigma/databricks-audit-pipeline.yml': detections('sigma-pipeline'),
  'mappings/registry/databricks.yaml': registry('databricks', 'Databricks'),
  'mappings/registry/immuta.yaml': registry('immuta', 'Immuta'),
  'examples/loki/grafana/dashboards/databricks-detections.json': { render: renderDashboard, says: 'the rules say' },
};

/** With the defaults of the command. */
function detections(format: FormatName, allInOne = false) {
  const request = { format, allInOne, layers: undefined, serviceName: undefined, filterDirectory: undefined };
  return {
    render: () => writeDetections({ ...request, level: 'low', delayMs: 20 * 60_000 }).text,
    says: 'the rules say',
  };
}

function registry(name: string, displayName: string) {
  return {
    render: () => renderRegistry(loadMapping([`${name}-audit`], '.'), { name, displayName }, registryExamples()),
    says: 'the mapping file says',
  };
}

function renderDashboard(): string {
  const layers = ['databricks-audit', 'loki'];
  const mapping = loadMapping(layers, '.');
  const others = { serviceName: 'databricks', delayMs: 0, level: 'informational', allInOne: false } as const;
  return renderDetectionsDashboard(readRules(), contextOf({ layers, mapping, ...others }));
}

if (import.meta.main) {
  for (const [path, { render }] of Object.entries(generatedDocuments)) {
    writeFileSync(new URL(`../../${path}`, import.meta.url), render());
  }
}
