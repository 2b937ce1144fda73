/**
 * Looks records up in Elasticsearch by uid. Where the uid is stored depends on how the documents were created: in `_id` with the
 * `elastic` layer, in an attribute with the mapping modes of the Collector's exporter.
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search
 */
import { z } from 'zod';
import type { Backend, StoredRecords } from '../contracts/backend.ts';
import { AgentError } from '../model/agent-error.ts';
import { type BackendServer, requestJson } from './json-request.ts';

const uidFields = [
  'attributes.log.record.uid',
  'log.record.uid',
  'attributes.log.record.uid.keyword',
  'log.record.uid.keyword',
] as const;

/** A search returns at most 10,000 hits: enough for ten copies of each record. */
const uidsPerSearch = 1_000;
const hitsMax = 10_000;

const answerSchema = z.object({
  hits: z.object({
    hits: z.array(z.object({ _id: z.string(), fields: z.record(z.string(), z.array(z.unknown())).optional() })),
  }),
});

/** @param index the index, alias or pattern to search, such as `logs-*`. */
export function createElasticsearch(server: BackendServer, index: string): Backend {
  return {
    name: `${server.name}/${index}`,
    open: async () => new ElasticsearchRecords(server, index),
  };
}

class ElasticsearchRecords implements StoredRecords {
  repeatedCount = 0;
  readonly #server: BackendServer;
  readonly #index: string;

  constructor(server: BackendServer, index: string) {
    this.#server = server;
    this.#index = index;
  }

  async missing(uids: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    const missing: string[] = [];
    for (let at = 0; at < uids.length; at += uidsPerSearch) {
      const wanted = new Set(uids.slice(at, at + uidsPerSearch));
      const stored = await this.#search(wanted, signal);
      const found = new Set(stored);
      this.repeatedCount += stored.length - found.size;
      missing.push(...[...wanted].filter((uid) => !found.has(uid)));
    }
    return missing;
  }

  close(): void {}

  /** The uid of every document that has one of the wanted uids; a uid appears once per copy. */
  async #search(wanted: ReadonlySet<string>, signal: AbortSignal): Promise<string[]> {
    const values = [...wanted];
    const body = {
      size: hitsMax,
      _source: false,
      fields: uidFields,
      query: { bool: { should: [{ ids: { values } }, ...uidFields.map((field) => ({ terms: { [field]: values } }))] } },
    };
    const path = `/${encodeURIComponent(this.#index)}/_search`;
    const answer = answerSchema.safeParse(await requestJson(this.#server, path, { body }, signal));
    if (!answer.success) {
      throw new AgentError('ERR_BACKEND_READ', `${this.#server.name} returned a response that is not a search result`, {
        hint: 'Give the URL of Elasticsearch itself, such as elasticsearch=http://localhost:9200/logs-*.',
      });
    }
    return answer.data.hits.hits.flatMap(({ _id, fields }) => {
      const candidates = [_id, ...Object.values(fields ?? {}).flat()];
      const uid = candidates.find((candidate) => typeof candidate === 'string' && wanted.has(candidate));
      return typeof uid === 'string' ? [uid] : [];
    });
  }
}
