import { expect, it } from 'vitest';
import { checkResource } from '../../src/tools/check-resource.ts';

const ownName = 'audit-7d9f-x2x4q';
const ofReplica = (attributes: Readonly<Record<string, string>>) => [
  ...checkResource(attributes, { isShared: true, ownName }),
];

it.each([
  [{ 'k8s.pod.name': 'audit-0', 'deployment.environment.name': 'production' }, 'k8s.pod.name=audit-0'],
  [{ shipper: ownName }, `shipper=${ownName}`],
])('warns about attributes that only this replica has: %j', (attributes, named) => {
  expect(ofReplica(attributes)).toEqual([
    { status: 'warning', message: expect.stringContaining(`(${named})`), hint: expect.stringContaining('Remove') },
  ]);
  expect([...checkResource(attributes, { isShared: false, ownName })]).toEqual([]);
});

it('says nothing about attributes that all replicas have', () => {
  expect(ofReplica({ 'service.name': 'databricks', 'k8s.cluster.name': 'audit', 'cloud.region': 'eu-west-1' })).toEqual(
    [],
  );
});

it('warns about service.instance.id with any state, because records are told apart by their workspace there', () => {
  const attributes = { 'service.instance.id': 'pod-1' };
  const told = { status: 'warning', message: expect.stringContaining('service.instance.id=pod-1') };
  expect([...checkResource(attributes, { isShared: false, ownName })]).toMatchObject([told]);
  expect(ofReplica(attributes)).toMatchObject([told, told]);
});
