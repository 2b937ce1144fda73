/**
 * Attributes and events of ours that no mapping file defines. The registry of semantic conventions describes them, with those of the mappings.
 */

export interface OwnAttribute {
  readonly type: 'string' | 'int';
  /** A sentence. */
  readonly brief: string;
  readonly examples: readonly (string | number)[];
}

/** Those with which a source says where the object of a record is. */
export const locationAttributes = {
  'databricks.table.name': {
    type: 'string',
    brief: 'The table that the event was read from.',
    examples: ['system.access.audit'],
  },
} satisfies Readonly<Record<string, OwnAttribute>>;

/** Those of the events that the agent raises itself. */
export const alertAttributes = {
  'databricks.audit.silence.last_event': {
    type: 'string',
    brief: 'When the last event before the silence occurred, in ISO 8601.',
    examples: ['2026-11-30T08:00:00.000Z'],
  },
  'databricks.audit.silence.threshold': {
    type: 'int',
    brief: 'After how many seconds without an event a workspace counts as silent.',
    examples: [86_400],
  },
  'databricks.audit.silence.duration': {
    type: 'int',
    brief: 'How many seconds the last event before the silence and the first one after it are apart.',
    examples: [90_000],
  },
} satisfies Readonly<Record<string, OwnAttribute>>;

/** The events that the agent raises itself, by name. */
export const alertEvents = {
  'databricks.audit.silence': {
    brief: 'A workspace had no event for longer than `DATABRICKS_AUDIT_SILENCE_AFTER`.',
    attributes: ['databricks.audit.silence.last_event', 'databricks.audit.silence.threshold'],
  },
  'databricks.audit.silence_ended': {
    brief: 'A workspace that was silent has events again.',
    attributes: [
      'databricks.audit.silence.last_event',
      'databricks.audit.silence.threshold',
      'databricks.audit.silence.duration',
    ],
  },
  'databricks.audit.check': {
    brief: 'A test record that `check --send-record` sends.',
    attributes: [],
  },
} satisfies Readonly<
  Record<string, { readonly brief: string; readonly attributes: readonly (keyof typeof alertAttributes)[] }>
>;

/** Those that only metrics of the agent have. */
export const metricAttributes = {
  'databricks.audit.source': {
    type: 'string',
    brief: 'The source that the agent reads, as it is configured.',
    examples: ['s3://logs/audit'],
  },
  'databricks.audit.reason': {
    type: 'string',
    brief: 'Why lines could not be parsed, or why records became dead letters.',
    examples: ['not JSON', 'no timestamp'],
  },
  'databricks.audit.found_by': {
    type: 'string',
    brief: 'How an object was found: by a notification, by a listing, or by a listing that catches up.',
    examples: ['notification', 'listing', 'catch_up'],
  },
  'databricks.audit.waiting.for': {
    type: 'string',
    brief: 'What keeps the agent from going on.',
    examples: ['collector', 'dead_letter_file', 'state'],
  },
} satisfies Readonly<Record<string, OwnAttribute>>;
