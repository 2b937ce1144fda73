/**
 * Writes the generated documents: `npm run docs`. Tests hold each of them up to date.
 */
import { writeFileSync } from 'node:fs';
import { renderConfigurationReference } from '../../src/config/index.ts';
import { renderMappingReference } from '../../src/mapping/reference.ts';
import { renderMetricsReference } from '../../src/telemetry/reference.ts';

/** By path from the root of the repository; with what each one is rendered from. */
export const generatedDocuments = {
  'docs/mapping.md': { render: renderMappingReference, says: 'the mapping file says' },
  'docs/configuration.md': { render: renderConfigurationReference, says: 'the schemas say' },
  'docs/metrics.md': { render: renderMetricsReference, says: 'the table of instruments says' },
};

if (import.meta.main) {
  for (const [path, { render }] of Object.entries(generatedDocuments)) {
    writeFileSync(new URL(`../../${path}`, import.meta.url), render());
  }
}
