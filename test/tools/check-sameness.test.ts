import { expect, it } from 'vitest';
import { checkSameness } from '../../src/tools/check-sameness.ts';

const results = (attributes: Readonly<Record<string, string>>) => [...checkSameness(attributes, 'audit-7d9f-x2x4q')];

it.each([
  [{ 'k8s.pod.name': 'audit-0', 'deployment.environment.name': 'production' }, 'k8s.pod.name=audit-0'],
  [{ 'service.instance.id': '1' }, 'service.instance.id=1'],
  [{ shipper: 'audit-7d9f-x2x4q' }, 'shipper=audit-7d9f-x2x4q'],
])('warns about attributes that only this replica has: %j', (attributes, named) => {
  expect(results(attributes)).toEqual([
    { status: 'warning', message: expect.stringContaining(`(${named})`), hint: expect.stringContaining('Remove') },
  ]);
});

it('says nothing about attributes that all replicas have', () => {
  expect(results({ 'service.name': 'databricks', 'k8s.cluster.name': 'audit', 'cloud.region': 'eu-west-1' })).toEqual(
    [],
  );
});
