/**
 * The package's programming interface: a configured agent in one's own process.
 */
export { type Agent, type AgentDependencies, createAgent } from './agent/agent.ts';
export { type Configuration, type Environment, loadConfiguration } from './config/index.ts';
export type { AgentEvent, Observer } from './contracts/observer.ts';
export { AgentError, type ErrorCode } from './model/agent-error.ts';
export type { DeliveredObject, ObjectId, ObjectOrigin, ObjectVersion } from './model/object.ts';
export { createLogger, type Logger, silentLogger } from './runtime/logger.ts';
export type { Counters } from './telemetry/index.ts';
