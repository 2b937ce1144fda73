/**
 * Writes the generated documents (`npm run docs`). Tests fail if one of them is out of date.
 */
import { writeFileSync } from 'node:fs';
import { renderConfigurationReference } from '../../src/config/index.ts';
import { renderMappingReference } from '../../src/mapping/reference.ts';
import { renderMetricsReference } from '../../src/telemetry/reference.ts';
import { renderErrorsPage } from './errors-page.ts';

/** Renderers by path from the root of the repository. */
export const generatedDocuments = {
  'docs/mapping.md': { render: renderMappingReference, says: 'the mapping file says' },
  'docs/configuration.md': { render: renderConfigurationReference, says: 'the schemas say' },
  'live-page/errors.html': { render: renderErrorsPage, says: 'docs/errors.md says' },
  'docs/metrics.md': { render: renderMetricsReference, says: 'the table of instruments says' },
};

if (import.meta.main) {
  for (const [path, { render }] of Object.entries(generatedDocuments)) {
    writeFileSync(new URL(`../../${path}`, import.meta.url), render());
  }
}
