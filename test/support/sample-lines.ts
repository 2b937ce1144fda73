/**
 * Input lines for the mapping, for tests and benchmarks.
 */

import type { IdentifiedLine } from '../../src/model/line.ts';
import { goldenLine } from '../../src/tools/mapping/golden.ts';

/** A line of an S3 object of workspace 1234567890123456. */
export function identifiedLine(content: string | Uint8Array, changes: Partial<IdentifiedLine> = {}): IdentifiedLine {
  return { ...goldenLine(typeof content === 'string' ? Buffer.from(content) : content), ...changes };
}

/** Distinct records with the shapes and typical size (830 bytes) of real deliveries. */
export function sampleRecords(count: number, firstIndex = 0): string[] {
  return Array.from({ length: count }, (_, index) => JSON.stringify(sampleRecord(firstIndex + index)));
}

function sampleRecord(index: number): object {
  const id = index.toString(16).padStart(12, '0');
  const action = actions[index % actions.length];
  return {
    version: '2.0',
    auditLevel: 'WORKSPACE_LEVEL',
    timestamp: 1_759_795_200_000 + index * 37,
    orgId: 1_234_567_890_123_456,
    workspaceId: '1234567890123456',
    shardName: 'oregon',
    accountId: '11111111-2222-3333-4444-555555555555',
    sourceIPAddress: `203.0.113.${index % 50}`,
    userAgent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36',
    sessionId: `ephemeral-${id}`,
    userIdentity: { email: `analyst${index % 20}@example.com`, subjectName: null },
    serviceName: action?.service,
    actionName: action?.action,
    requestId: `ServiceMain-${id}`,
    requestParams: { ...action?.params, request_object_id: `${id}-${id}` },
    response: action?.response,
  };
}

const actions: readonly { service: string; action: string; params: object; response: object | null }[] = [
  {
    service: 'accounts',
    action: 'tokenLogin',
    params: {
      user: 'analyst@example.com',
      tokenId: '6f05d6d6c457477c96920addaa1c1797'.repeat(2),
      authenticationMethod: 'API_INT_PAT_TOKEN',
      endpoint: '/api/2.1/unity-catalog/temporary-table-credentials',
    },
    response: { statusCode: 200 },
  },
  {
    service: 'clusters',
    action: 'create',
    params: {
      cluster_name: 'analysis',
      spark_version: '15.4.x-scala2.12',
      node_type_id: 'i3.xlarge',
      num_workers: 2,
      autotermination_minutes: 60,
      data_security_mode: 'USER_ISOLATION',
      runtime_engine: 'PHOTON',
    },
    response: { statusCode: 200, result: '{"cluster_id":"0123-456789-abcde"}' },
  },
  {
    service: 'unityCatalog',
    action: 'getTable',
    params: {
      full_name_arg: 'main.sales.orders_by_region_and_day',
      metastore_id: '9f1c2f6e-8b1d-4a57-9f0c-0d4b7b1f6a11',
      workspace_id: '1234567890123456',
      include_browse: 'false',
    },
    response: { statusCode: 403, errorMessage: 'User does not have USE SCHEMA on Schema main.sales.' },
  },
  {
    service: 'secrets',
    action: 'getSecret',
    params: { scope: 'etl', key: 'warehouse-password' },
    response: { statusCode: 200 },
  },
  {
    service: 'databrickssql',
    action: 'commandFinish',
    params: {
      warehouseId: '98f94533c2374cfa',
      commandId: '01f035a4-8ac8-1b9b-a9f4-d60c6c929805',
      executionTime: '0.289',
    },
    response: null,
  },
];
