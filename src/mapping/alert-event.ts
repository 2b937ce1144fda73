/**
 * Notices: events of the agent's own about a workspace, as records that stand beside those of the workspace.
 */
import { Buffer } from 'node:buffer';
import type { AlertEvent } from '../contracts/mapper.ts';
import type { Mapping } from './mapping-file.ts';
import { attributeKey } from './writers/attribute-key.ts';
import { type EncodedResource, type Envelope, encodeResource } from './writers/envelope.ts';
import { JsonWriter } from './writers/json-writer.ts';
import { type LogRecordWriter, severities } from './writers/log-record-writer.ts';

export class AlertEventWriter {
  readonly #mapping: Mapping;
  readonly #envelope: Envelope;
  readonly #resourceAttributes: Readonly<Record<string, string>>;

  constructor(mapping: Mapping, envelope: Envelope, resourceAttributes: Readonly<Record<string, string>>) {
    this.#mapping = mapping;
    this.#envelope = envelope;
    this.#resourceAttributes = resourceAttributes;
  }

  /** One line of OTLP/JSON; the same event always gives the same text. */
  toJsonLine(event: AlertEvent): string {
    const writer = new JsonWriter(this.#envelope);
    writer.begin(this.#resourceOf(event), {
      timestampMs: event.timeMs,
      observedAtMs: event.timeMs,
      severity: severities[event.severity],
      eventName: event.eventName,
      body: Buffer.from(event.body),
    });
    for (const [key, value] of this.#attributesOf(event)) writeValue(key, value, writer);
    writer.end();
    return Buffer.from(writer.finish()).toString();
  }

  #resourceOf({ workspaceId }: AlertEvent): EncodedResource {
    const attributes = new Map<string, string>();
    for (const [key, { value, from }] of this.#mapping.resource) {
      if (value !== undefined) attributes.set(key, value);
      else if (workspaceId !== undefined && from?.includes('$workspaceId')) attributes.set(key, workspaceId);
    }
    // A stream of their own in Loki: an alert event must not make late events of the workspace look too old.
    attributes.set('service.instance.id', `${workspaceId ?? ''}:notices`);
    for (const [key, value] of Object.entries(this.#resourceAttributes)) attributes.set(key, value);
    return encodeResource(JSON.stringify([...attributes]), [...attributes]);
  }

  /** What the mapping gives every record: its uid, wherever a layer wants it, its name, and fixed values. */
  #attributesOf(event: AlertEvent): Map<string, string | number | boolean> {
    const attributes = new Map<string, string | number | boolean>(Object.entries(event.attributes));
    for (const [target, rules] of this.#mapping.attributes) {
      const [rule] = rules;
      if (rule?.as === 'record_uid') attributes.set(target, event.uid);
      else if (target === 'event.name') attributes.set(target, event.eventName);
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
