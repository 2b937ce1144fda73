/**
 * What a running agent serves, if it was started with `DATABRICKS_AUDIT_HTTP=127.0.0.1:0`.
 */
import type { AgentProcess } from './agent-process.ts';
import { parsePrometheus, type Sample, sumOf } from './prometheus-text.ts';

export async function urlOf(agent: AgentProcess): Promise<string> {
  return String((await agent.logged('Serving health, metrics and the live page')).url);
}

export async function scrape(url: string): Promise<Sample[]> {
  return parsePrometheus(await (await fetch(`${url}/metrics`)).text());
}

/**
 * Waits until the agent itself has counted this many lines as accepted or dead-lettered. What the collector has stored does not tell:
 * the response may still be on its way, and a collector that answers 400 may have stored some of the records, which come again.
 */
export async function untilEnded(agent: AgentProcess, lineCount: number): Promise<void> {
  const url = await urlOf(agent);
  await agent.until(`${lineCount} lines were accepted or dead-lettered`, async () => {
    const samples = await scrape(url);
    const counts = ['accepted', 'dead_lettered'].map((name) => sumOf(samples, `databricks_audit_lines_${name}_total`));
    return counts.reduce((sum: number, count = 0) => sum + count, 0) === lineCount;
  });
}
