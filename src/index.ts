/**
 * The package's programming interface: the agent in a process of your own. docs/library.md explains it with examples.
 * Every type of the package that a signature here mentions is exported too.
 */

// The agent and its configuration.

export { type Agent, type AgentDependencies, createAgent } from './agent/agent.ts';
export { type Configuration, type Environment, type LoadOptions, loadConfiguration } from './config/index.ts';
export type {
  DeadLetterBucket,
  DeadLetterDirectory,
  DeadLetterLocation,
  NamedFile,
  OtlpCompression,
  OtlpOptions,
  OtlpProtocol,
} from './export/options.ts';
export type { PostgresLocation, PostgresTls } from './model/postgres-url.ts';
export type { DynamoDbLocation, SharedLocation, StateDirectory, StateLocation } from './model/state-location.ts';
export type { Backlog } from './schedule/backlog.ts';
export type { Start } from './schedule/options.ts';
export type {
  AzureLocation,
  BlobCredential,
  DirectoryLocation,
  GcsLocation,
  QueueLocation,
  S3Location,
  SourceLocation,
  TableLocation,
} from './sources/index.ts';
export type { HttpAddress, MetricsExporter } from './telemetry/options.ts';

// What the agent reports: events, counters, errors.

export type { NotificationOutcome } from './contracts/notifications.ts';
export type {
  AgentEvent,
  AlertEventEnded,
  BatchAbandoned,
  BatchEnded,
  ClaimLost,
  ClaimTakenOver,
  DeadLettered,
  Fault,
  FaultMet,
  FoundBy,
  LinesRead,
  ListingDue,
  ListingEnded,
  NotificationEnded,
  ObjectsListed,
  ObjectsWaiting,
  ObjectVisited,
  Observer,
  ReplicasSeen,
  RequestEnded,
  Resumed,
  SettledFaultKnown,
  SilenceChanged,
  Waiting,
  WaitsFor,
  WorkspaceKnown,
  WorkspaceListed,
} from './contracts/observer.ts';
export { AgentError, type ErrorCode, isAgentError } from './model/agent-error.ts';
export type { EventTimes } from './model/event-times.ts';
export type { ResponseCode } from './model/response-code.ts';
export type { Counters } from './telemetry/index.ts';

// A source of your own: finds objects and opens them.

export type { Candidate, DateRange, ListingRequest, Source, WorkspaceListing } from './contracts/source.ts';
export type { VisitOutcome } from './contracts/visit-outcome.ts';
export type { DeliveredObject, ObjectContent, ObjectId, ObjectOrigin, ObjectVersion } from './model/object.ts';

// An exporter of your own: brings batches of records to their final outcome.

export type { Batch, BatchEnd, Exporter, ExportOptions } from './contracts/exporter.ts';
export { recordBatch } from './otlp/record-batch.ts';

// The steps between them: bytes to lines, line to record.

export type { Decoder, FormatReport, LineSplitter } from './contracts/decoder.ts';
export type { AlertEvent, Mapper, OtlpEncoding, RequestEncoder } from './contracts/mapper.ts';
export { createDecoder } from './decoders/index.ts';
export { createMapper, type MapperOptions, type RedactionClass } from './mapping/index.ts';
export type { DeliveredLine, IdentifiedLine } from './model/line.ts';

// A state of your own: remembers what was delivered, and which workspaces are silent.

export type {
  Announcement,
  AnnouncementId,
  Claim,
  DeliveryState,
  Lead,
  LedTask,
  LineHashes,
  ObjectState,
  ObservedRun,
  Position,
  Settlement,
} from './contracts/delivery-state.ts';
export type { SettledFault } from './contracts/settled-fault.ts';
export type { Silence, SilenceState, WorkspaceEvents } from './contracts/silence-state.ts';
export type { OpenState, StateOptions } from './delivery/index.ts';

// Time, and the agent's own log.

export type { Clock } from './runtime/clock.ts';
export { createLogger, type Logger, type LogLevel, silentLogger } from './runtime/logger.ts';
