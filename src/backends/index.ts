/**
 * Queries log backends for the records that they hold.
 */
import type { Backend } from '../contracts/backend.ts';
import { AgentError } from '../model/agent-error.ts';
import type { Clock } from '../runtime/clock.ts';
import { createElasticsearch } from './elasticsearch.ts';
import { createLoki } from './loki.ts';

const expected = 'expected loki=<url> or elasticsearch=<url>, such as loki=http://localhost:3100';
const defaultIndex = 'logs-*';

/**
 * @param location `loki=<url>` or `elasticsearch=<url>[/<index>]`; the index defaults to `logs-*`.
 * @throws AgentError ERR_CONFIGURATION
 */
export function createBackend(location: string, headers: Readonly<Record<string, string>>, clock: Clock): Backend {
  const [, kind, address = ''] = /^(loki|elasticsearch)=(.+)$/.exec(location) ?? [];
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (kind === undefined || url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new AgentError('ERR_CONFIGURATION', `--against: ${expected}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new AgentError('ERR_CONFIGURATION', '--against: expected a URL without user name and password', {
      hint: 'Pass credentials in DATABRICKS_AUDIT_AGAINST_HEADERS, as authorization=Basic%20...',
    });
  }
  url.search = '';
  url.hash = '';
  if (kind === 'loki') return createLoki({ name: `Loki at ${url.origin}`, url, headers, clock });
  const index = decodeURIComponent(url.pathname).replaceAll(/^\/+|\/+$/g, '') || defaultIndex;
  url.pathname = '/';
  return createElasticsearch({ name: `Elasticsearch at ${url.origin}`, url, headers, clock }, index);
}
