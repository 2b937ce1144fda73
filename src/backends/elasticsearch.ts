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

/** A search returns at most 10,000 hits. If records have more copies than that, fewer are looked up at a time. */
const uidsPerSearch = 1_000;
const hitsMax = 10_000;

const answerSchema = z.object({
  timed_out: z.boolean().default(false),
  _shards: z.object({ failed: z.number() }).default({ failed: 0 }),
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
      const stored = await this.#find(wanted, signal);
      const found = new Set(stored);
      this.repeatedCount += stored.length - found.size;
      missing.push(...[...wanted].filter((uid) => !found.has(uid)));
    }
    return missing;
  }

  close(): void {}

  /** The uid of every document that has one of the wanted uids; a uid appears once per copy, unless its copies are more than a search returns. */
  async #find(wanted: ReadonlySet<string>, signal: AbortSignal): Promise<string[]> {
    const { uids, isCut } = await this.#search(wanted, signal);
    if (!isCut || wanted.size === 1) return uids;
    // The copies of some records have displaced others.
    const values = [...wanted];
    const middle = Math.ceil(values.length / 2);
    const first = await this.#find(new Set(values.slice(0, middle)), signal);
    return [...first, ...(await this.#find(new Set(values.slice(middle)), signal))];
  }

  async #search(wanted: ReadonlySet<string>, signal: AbortSignal): Promise<{ uids: string[]; isCut: boolean }> {
    const values = [...wanted];
    const body = {
      size: hitsMax,
      _source: false,
      fields: uidFields,
      query: { bool: { should: [{ ids: { values } }, ...uidFields.map((field) => ({ terms: { [field]: values } }))] } },
    };
    const path = `/${encodeURIComponent(this.#index)}/_search`;
    // Otherwise records in a shard that is not available would count as missing, and a repair would send them again.
    const query = new URLSearchParams({ allow_partial_search_results: 'false' });
    const answer = answerSchema.safeParse(await requestJson(this.#server, path, { query, body }, signal));
    if (!answer.success) {
      throw new AgentError('ERR_BACKEND_READ', `${this.#server.name} returned a response that is not a search result`, {
        hint: 'Give the URL of Elasticsearch itself, such as elasticsearch=http://localhost:9200/logs-*.',
      });
    }
    const { timed_out: isTimedOut, _shards: shards, hits } = answer.data;
    if (isTimedOut || shards.failed > 0) {
      throw new AgentError('ERR_BACKEND_READ', `${this.#server.name} searched only a part of ${this.#index}`, {
        hint: 'Check that all shards of the index are available, then run the command again.',
      });
    }
    const uids = hits.hits.flatMap(({ _id, fields }) => {
      const candidates = [_id, ...Object.values(fields ?? {}).flat()];
      const uid = candidates.find((candidate) => typeof candidate === 'string' && wanted.has(candidate));
      return typeof uid === 'string' ? [uid] : [];
    });
    return { uids, isCut: hits.hits.length >= hitsMax };
  }
}
