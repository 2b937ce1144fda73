/**
 * Lines that cannot be parsed are shipped, and nobody has to search the backend to learn of them.
 */
import { expect, it } from 'vitest';
import { runAgent } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace } from '../../support/delivery-place.ts';

it.each(['1', '2'])(
  'are counted by reason, in the summary, the log and the state, with %s workers',
  async (workers) => {
    const place = directoryPlace();
    await place.deliver(deliveryKey('1'), [...auditLines(2), 'no JSON at all', '{"service_name":"x"}']);
    await place.deliver(deliveryKey('2'), ['one', 'two', 'three']);
    const { environment, receiver } = await deliveryScene(place, { DATABRICKS_AUDIT_WORKERS: workers });
    const { code, stderr } = await runAgent(['ship'], environment);
    expect(code).toBe(1);
    expect(receiver.accepted).toHaveLength(7);
    expect(stderr).toMatch(/^ {2}1 line could not be parsed and was shipped as unparsed: no timestamp$/m);
    expect(stderr).toMatch(/^ {2}\d lines could not be parsed and were shipped as unparsed: /m);
    const log = stderr.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
    expect(log.filter(({ err }) => err?.code === 'ERR_OBJECT_UNPARSED')).toMatchObject([
      {
        level: 'warn',
        object: expect.stringContaining('workspaceId=2'),
        err: { message: expect.stringMatching(/^None of 3/) },
      },
    ]);
    const status = await runAgent(['status'], environment);
    expect(status.stdout).toContain('7 lines accepted, 0 dead-lettered, 5 of them unparsed');
    const { partitions } = JSON.parse((await runAgent(['status', '--json'], environment)).stdout);
    expect(partitions).toMatchObject([{ unparsedCount: 2 }, { unparsedCount: 3 }]);
  },
);
