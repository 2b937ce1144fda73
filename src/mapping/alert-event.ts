/**
 * Encodes alert events, the agent's own events about a workspace, as log records.
 */
import type { AlertEvent } from '../contracts/mapper.ts';
import type { OtlpKeyValue } from '../model/otlp-json.ts';
import { encodeRecordAsJson } from '../otlp/json.ts';
import { otlpValue, severities } from '../otlp/protobuf.ts';
import { createRequest, type Envelope, type Resource } from '../otlp/request.ts';
import type { Mapping } from './mapping-file.ts';
import type { ResourceRule } from './mapping-schema.ts';

export class AlertEventWriter {
  readonly #mapping: Mapping;
  readonly #envelope: Envelope;
  readonly #resourceAttributes: Readonly<Record<string, string>>;

  constructor(mapping: Mapping, envelope: Envelope, resourceAttributes: Readonly<Record<string, string>>) {
    this.#mapping = mapping;
    this.#envelope = envelope;
    this.#resourceAttributes = resourceAttributes;
  }

  /** One line of OTLP/JSON. The same event gives the same text. */
  toJsonLine(event: AlertEvent): string {
    const request = createRequest('json', this.#envelope);
    const timeNs = BigInt(event.timeMs) * 1_000_000n;
    const record = encodeRecordAsJson({
      timestampNs: timeNs,
      observedAtNs: timeNs,
      severity: severities[event.severity],
      eventName: event.eventName,
      body: event.body,
      attributes: this.#attributesOf(event),
    });
    request.add(this.#resourceOf(event), record, 0, record.length);
    return Buffer.from(request.finish()).toString();
  }

  #resourceOf({ workspaceId }: AlertEvent): Resource {
    const attributes = new Map<string, string>();
    for (const [key, rules] of this.#mapping.resource) {
      const value = rules[0]?.value ?? (workspaceId === undefined ? undefined : workspaceValue(rules, workspaceId));
      if (value !== undefined) attributes.set(key, value);
    }
    // A separate Loki stream: in that of the workspace, an alert event would make late events look too old.
    attributes.set('service.instance.id', `${workspaceId ?? ''}:notices`);
    for (const [key, value] of Object.entries(this.#resourceAttributes)) attributes.set(key, value);
    return { identity: JSON.stringify([...attributes]), attributes: [...attributes] };
  }

  /** The attributes of the event, and those that the mapping gives every record: uid, event name, constants. */
  #attributesOf(event: AlertEvent): OtlpKeyValue[] {
    const attributes = new Map<string, string | number | boolean>(Object.entries(event.attributes));
    for (const [target, rules] of this.#mapping.attributes) {
      const [rule] = rules;
      if (rule?.as === 'record_uid') attributes.set(target, event.uid);
      else if (target === 'event.name') attributes.set(target, event.eventName);
      else if (rule?.value !== undefined && rule.when === undefined) attributes.set(target, rule.value);
    }
    return [...attributes].map(([key, value]) => ({ key, value: otlpValue(value) }));
  }
}

/** What the rules make of the workspace in the path, which they may take only if it is a number. */
function workspaceValue(rules: readonly ResourceRule[], workspaceId: string): string | undefined {
  const rule = rules.find(({ from }) => from?.includes('$workspaceId'));
  return rule === undefined || (rule.as === 'integer' && !/^\d+$/.test(workspaceId)) ? undefined : workspaceId;
}
