/**
 * Notices: events of the agent's own about a workspace, as records that stand beside those of the workspace.
 */
import { Buffer } from 'node:buffer';
import type { Notice } from '../contracts/mapper.ts';
import type { Mapping } from './mapping-file.ts';
import { attributeKey } from './writers/attribute-key.ts';
import { type EncodedResource, type Envelope, encodeResource } from './writers/envelope.ts';
import { JsonWriter } from './writers/json-writer.ts';
import { type LogRecordWriter, severities } from './writers/log-record-writer.ts';

export class NoticeWriter {
  readonly #mapping: Mapping;
  readonly #envelope: Envelope;
  readonly #resourceAttributes: Readonly<Record<string, string>>;

  constructor(mapping: Mapping, envelope: Envelope, resourceAttributes: Readonly<Record<string, string>>) {
    this.#mapping = mapping;
    this.#envelope = envelope;
    this.#resourceAttributes = resourceAttributes;
  }

  /** One line of OTLP/JSON; the same notice gives the same text. */
  toJsonLine(notice: Notice): string {
    const writer = new JsonWriter(this.#envelope);
    writer.begin(this.#resourceOf(notice), {
      timestampMs: notice.timeMs,
      observedAtMs: notice.timeMs,
      severity: severities[notice.severity],
      eventName: notice.eventName,
      body: Buffer.from(notice.body),
    });
    for (const [key, value] of this.#attributesOf(notice)) writeValue(key, value, writer);
    writer.end();
    return Buffer.from(writer.finish()).toString();
  }

  #resourceOf({ workspaceId }: Notice): EncodedResource {
    const attributes = new Map<string, string>();
    for (const [key, { value, from }] of this.#mapping.resource) {
      if (value !== undefined) attributes.set(key, value);
      else if (workspaceId !== undefined && from?.includes('$workspaceId')) attributes.set(key, workspaceId);
    }
    // A stream of their own in Loki: there, a notice must not make events of the workspace that come late look too old.
    attributes.set('service.instance.id', `${workspaceId ?? ''}:notices`);
    for (const [key, value] of Object.entries(this.#resourceAttributes)) attributes.set(key, value);
    return encodeResource(JSON.stringify([...attributes]), [...attributes]);
  }

  /** What the mapping gives every record: its uid, wherever a layer wants it, its name, and fixed values. */
  #attributesOf(notice: Notice): Map<string, string | number | boolean> {
    const attributes = new Map<string, string | number | boolean>(Object.entries(notice.attributes));
    for (const [target, rules] of this.#mapping.attributes) {
      const [rule] = rules;
      if (rule?.as === 'record_uid') attributes.set(target, notice.uid);
      else if (target === 'event.name') attributes.set(target, notice.eventName);
      else if (rule?.value !== undefined && rule.when === undefined) attributes.set(target, rule.value);
    }
    return attributes;
  }
}

function writeValue(key: string, value: string | number | boolean, out: LogRecordWriter): void {
  if (typeof value === 'string') out.string(attributeKey(key), value);
  else if (typeof value === 'number') out.integer(attributeKey(key), value);
  else out.boolean(attributeKey(key), value);
}
