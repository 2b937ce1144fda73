/**
 * Finds the URL of an agent that was started with `DATABRICKS_AUDIT_HTTP=127.0.0.1:0`.
 */
import type { AgentProcess } from './agent-process.ts';

export async function urlOf(agent: AgentProcess): Promise<string> {
  return String((await agent.logged('Serving health, metrics and the live page')).url);
}
