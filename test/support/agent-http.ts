/**
 * The port of an agent that runs with `DATABRICKS_AUDIT_HTTP=127.0.0.1:0`.
 */
import type { AgentProcess } from './agent-process.ts';

export async function urlOf(agent: AgentProcess): Promise<string> {
  return String((await agent.logged('Health, metrics and the live page are served')).url);
}
