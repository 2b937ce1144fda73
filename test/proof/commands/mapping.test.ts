/**
 * `mapping show` and `mapping test`, as the author of a custom layer uses them.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runAgent } from '../../support/agent-process.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const layer = `version: '1+ours.1'
attributes:
  ours.cluster: { from: requestParams.clusterId|cluster_id }
  ours.team: { value: security }
  databricks.request.params: null
`;
const line = JSON.stringify({
  timestamp: 1_759_795_200_000,
  workspaceId: '1',
  serviceName: 'clusters',
  actionName: 'start',
  requestParams: { cluster_id: 'c-1', secret: 'x' },
  novelty: { depth: [1, 2] },
});

function ownLayer() {
  const directory = temporaryDirectory();
  const path = join(directory, 'ours.yaml');
  writeFileSync(path, layer);
  writeFileSync(join(directory, 'sample.jsonl'), `${line}\nno json\n`);
  return { directory, sample: join(directory, 'sample.jsonl'), layers: ['--mapping', `databricks-audit,${path}`] };
}

it('shows the mapping that results from all layers', async () => {
  const { layers } = ownLayer();
  const { code, stdout } = await runAgent(['mapping', 'show', ...layers], {});
  expect(code).toBe(0);
  expect(stdout).toMatch(/^target +from +type +when$/m);
  expect(stdout).toMatch(/^ours\.cluster +requestParams\.clusterId\|cluster_id +string$/m);
  expect(stdout).toMatch(/^ours\.team +the value security +string$/m);
  expect(stdout).not.toMatch(/^databricks\.request\.params /m);
  const json = await runAgent(['mapping', 'show', '--json'], {});
  expect(JSON.parse(json.stdout)).toContainEqual({
    target: 'user.email',
    from: 'userIdentity|user_identity.email, else identity.email',
    type: 'string (email_address)',
    when: '',
  });
});

it('shows how each field of a sample is mapped, and which fields are only in the body', async () => {
  const { sample, layers } = ownLayer();
  const { code, stdout } = await runAgent(['mapping', 'test', sample, ...layers], {});
  expect(code).toBe(0);
  expect(stdout).toMatch(/^timestamp +Timestamp +1 +1759795200000$/m);
  expect(stdout).toMatch(/^requestParams\.cluster_id +ours\.cluster +1 +c-1$/m);
  expect(stdout).toMatch(/^requestParams\.secret +\(body only\) +1 +\[redacted\]$/m);
  expect(stdout).toMatch(/^novelty\.depth +\(body only\) +1 +\[1,2\]$/m);
  expect(stdout).toMatch(/^2 lines, 1 unparsed; 7 fields, 2 in the body only$/m);
  const builtIn = await runAgent(['mapping', 'test', sample, '--json'], {});
  expect(JSON.parse(builtIn.stdout).fields).toContainEqual({
    field: 'requestParams.*',
    targets: ['databricks.request.params'],
    recordCount: 1,
    example: 'c-1',
  });
});

it('writes golden pairs, finds them equal, and exits with 1 and the difference after the layer has changed', async () => {
  const { directory, layers } = ownLayer();
  const pair = join(directory, 'pairs', 'clusters');
  mkdirSync(pair, { recursive: true });
  writeFileSync(join(pair, 'input.jsonl'), line);
  const golden = ['mapping', 'test', '--golden', join(directory, 'pairs'), ...layers];
  expect(await runAgent([...golden, '--update'], {})).toMatchObject({ code: 0, stdout: 'written   clusters\n' });
  expect(await runAgent(golden, {})).toMatchObject({ code: 0, stdout: 'equal     clusters\n' });
  writeFileSync(join(directory, 'ours.yaml'), layer.replace('security', 'platform'));
  const { code, stdout } = await runAgent(golden, {});
  expect(code).toBe(1);
  expect(stdout).toBe(`different clusters
  - {"key":"ours.team","value":{"stringValue":"security"}}
  + {"key":"ours.team","value":{"stringValue":"platform"}}
`);
});

it('agrees with the golden pairs of the built-in mapping', async () => {
  const pairs = fileURLToPath(new URL('../../mappings/', import.meta.url));
  const { code, stdout } = await runAgent(['mapping', 'test', '--golden', pairs], {});
  expect(code, stdout).toBe(0);
});

it('explains a layer with mistakes, a folder without pairs, and a missing file', async () => {
  const { directory, layers } = ownLayer();
  writeFileSync(join(directory, 'ours.yaml'), 'attributes: 5\n');
  expect(await runAgent(['mapping', 'show', ...layers], {})).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/ours\.yaml:1:1: attributes: expected/),
  });
  expect(await runAgent(['mapping', 'test', '--golden', directory], {})).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^ERR_CONFIGURATION: --golden: expected a folder with golden pairs, got /),
  });
  expect(await runAgent(['mapping', 'test', '/no/such/file'], {})).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /^ERR_CONFIGURATION: mapping test: expected a file with sample lines, got \/no.*ENOENT/,
    ),
  });
  expect(await runAgent(['mapping', 'test'], {})).toMatchObject({ code: 2 });
  expect(readFileSync(join(directory, 'ours.yaml'), 'utf8')).toBe('attributes: 5\n');
});
