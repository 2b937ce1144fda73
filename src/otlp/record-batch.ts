/**
 * A batch of records that exist as OTLP/JSON already: dead letters that are sent again, alert events of the agent's own.
 */
import assert from 'node:assert';
import type { Batch } from '../contracts/exporter.ts';
import type { OtlpEncoding } from '../contracts/mapper.ts';
import { otlpLogs } from '../model/otlp-json.ts';
import { encodeOtlpJson } from './replay.ts';

/** @param jsonLines one record each, as `Mapper.toJsonLine` renders it. */
export function recordBatch(jsonLines: readonly string[], encoding: OtlpEncoding): Batch {
  return new RecordBatch(jsonLines, encoding);
}

class RecordBatch implements Batch {
  readonly objectId = undefined;
  readonly #jsonLines: readonly string[];
  readonly #encoding: OtlpEncoding;
  #request: Uint8Array | undefined;

  constructor(jsonLines: readonly string[], encoding: OtlpEncoding) {
    this.#jsonLines = jsonLines;
    this.#encoding = encoding;
  }

  get recordCount(): number {
    return this.#jsonLines.length;
  }

  get request(): Uint8Array {
    this.#request ??= encodeOtlpJson(
      this.#jsonLines.map((jsonLine) => otlpLogs.parse(JSON.parse(jsonLine))),
      this.#encoding,
    );
    return this.#request;
  }

  split(): readonly [Batch, Batch] {
    assert(this.recordCount > 1, 'a single record cannot be split');
    const middle = Math.ceil(this.recordCount / 2);
    return [
      new RecordBatch(this.#jsonLines.slice(0, middle), this.#encoding),
      new RecordBatch(this.#jsonLines.slice(middle), this.#encoding),
    ];
  }

  toJsonLines(): readonly string[] {
    return this.#jsonLines;
  }
}
