/**
 * `databricks://<workspace host>/<warehouse id>`: the system table of audit events, read through a SQL warehouse.
 */
import { printable } from '../../runtime/printable.ts';
import { bad, duration, good, type Parsed } from '../../runtime/variable.ts';
import type { Environment } from '../source-kind.ts';
import type { OwnParameters, SourceParameters } from '../source-parameters.ts';
import { readSettings } from './settings.ts';

/** The parameters that only this kind has. */
export interface TableParameters {
  /** `?bucket=`: the length of the time that one object covers. */
  readonly bucketMs: number;
  /** `?table=`: the system table, or a view with the same columns. */
  readonly table: string;
  /** `?workspaces=`: ids of workspaces; undefined for all. */
  readonly workspaces: readonly string[] | undefined;
}

export interface TableLocation extends SourceParameters, TableParameters {
  readonly kind: 'table';
  /** Such as `https://dbc-a1b2.cloud.databricks.com`. Undefined for `DATABRICKS_HOST`, until that is resolved. */
  readonly origin: string | undefined;
  /** Undefined for `DATABRICKS_WAREHOUSE_ID`, until that is resolved. */
  readonly warehouseId: string | undefined;
  /** As it was configured, without parameters. Once resolved, however it was written: `databricks://<host>/<warehouse>`, with a table of its own. */
  readonly name: string;
}

/** Each poll costs a statement, and may start a warehouse that runs for some minutes. */
const pollIntervalDefaultMs = 3_600_000;
const hourMs = 3_600_000;
const minuteMs = 60_000;
export const systemTable = 'system.access.audit';

export const tableForm = 'databricks://<workspace host>/<warehouse id>';

export function parseTableLocation(
  url: string,
  parameters: SourceParameters,
  own: OwnParameters,
): Parsed<TableLocation> {
  const [, authority = '', path = ''] = /^databricks:\/\/([^/]*)\/*(.*)$/is.exec(url) ?? [];
  if (/^https?:$/i.test(authority)) return bad(`expected ${tableForm} without ${authority}//`);
  if (authority.includes('@')) {
    return bad(
      `expected ${tableForm} without a user or token, which belong into DATABRICKS_CLIENT_SECRET or DATABRICKS_TOKEN`,
    );
  }
  const origin = isHost(authority) ? URL.parse(`https://${authority}`)?.origin : undefined;
  if (authority !== '' && origin === undefined) {
    return bad(`expected the host of a workspace in ${tableForm}, not "${printable(authority, 100)}"`);
  }
  // The "HTTP path" of a warehouse in Databricks' pages ends with its id.
  const warehouseId = path.replace(/^sql\/(?:1\.0|protocolv1)\/(?:warehouses|endpoints)\//, '').replace(/\/+$/, '');
  if (warehouseId !== '' && !isWarehouseId(warehouseId)) {
    return bad(
      `expected the id of a SQL warehouse such as 1234567890abcdef in ${tableForm}, not "${printable(warehouseId, 100)}"`,
    );
  }
  if (authority === '' && warehouseId !== '') return bad(`expected ${tableForm}, or databricks:// alone`);
  const ownParameters = parseOwn(own);
  if ('problem' in ownParameters) return ownParameters;
  return good({
    kind: 'table',
    origin,
    warehouseId: warehouseId === '' ? undefined : warehouseId,
    name: `databricks://${authority}${warehouseId === '' ? '' : `/${warehouseId}`}`,
    ...ownParameters.value,
    ...parameters,
    // Not by DATABRICKS_AUDIT_POLL_INTERVAL: an interval that is right for a bucket would keep a warehouse running all day.
    pollIntervalMs: parameters.pollIntervalMs ?? pollIntervalDefaultMs,
  });
}

export const tableParameterNames = ['bucket', 'table', 'workspaces'];

function parseOwn(own: OwnParameters): Parsed<TableParameters> {
  const given = (name: string) => own.get(name);
  const bucket = parseBucket(given('bucket') ?? '1h');
  const table = parseTable(given('table') ?? systemTable);
  const workspaces = parseWorkspaces(given('workspaces'));
  const problems = [bucket, table, workspaces].flatMap((each) => ('problem' in each ? [each.problem] : []));
  if ('problem' in bucket || 'problem' in table || 'problem' in workspaces) return bad(problems.join('; '));
  return good({ bucketMs: bucket.value, table: table.value, workspaces: workspaces.value });
}

function parseBucket(text: string): Parsed<number> {
  const parsed = duration(minuteMs, '1h')(text);
  const isPart = 'value' in parsed && parsed.value % minuteMs === 0 && hourMs % parsed.value === 0;
  return isPart ? parsed : bad('bucket: expected 1h, or minutes that divide an hour, such as 10m');
}

function parseTable(text: string): Parsed<string> {
  const isName = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
  return isName ? good(text.toLowerCase()) : bad(`table: expected catalog.schema.table, such as ${systemTable}`);
}

function parseWorkspaces(text: string | undefined): Parsed<readonly string[] | undefined> {
  if (text === undefined) return good(undefined);
  const ids = text.split(',').map((id) => id.trim());
  const areIds = ids.every((id) => /^\d{1,20}$/.test(id));
  return areIds
    ? good([...new Set(ids)].sort())
    : bad('workspaces: expected ids of workspaces, separated by %2C; 0 is the account level');
}

/** A host name, which may have a port. */
function isHost(text: string): boolean {
  return /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/i.test(text);
}

function isWarehouseId(text: string): boolean {
  return /^[a-z0-9_-]+$/i.test(text);
}

/** Two sources of one workspace's table would ship the same rows, whatever the warehouse. A table is known by its name. */
export function containsTable(outer: TableLocation, inner: TableLocation): boolean {
  return outer.origin === inner.origin && outer.table === inner.table;
}

/** Takes what the location does not say from Databricks' own variables. The problem has a line for each thing that is missing or wrong. */
export function resolveTable(location: TableLocation, environment: Environment): Parsed<TableLocation> {
  const { authentication, ...settings } = readSettings(environment);
  const problems = [...settings.problems];
  const origin = location.origin ?? settings.origin;
  const warehouseId = location.warehouseId ?? settings.warehouseId;
  const because = `because DATABRICKS_AUDIT_SOURCE is ${location.name}`;
  // A profile that cannot be read may have both.
  const lacksProfile = problems.some((problem) => problem.startsWith('DATABRICKS_CONFIG_'));
  if (origin === undefined && !lacksProfile && !problems.some((problem) => problem.startsWith('DATABRICKS_HOST'))) {
    problems.push(`DATABRICKS_HOST: expected the URL of a workspace, ${because}`);
  }
  if (warehouseId === undefined && !lacksProfile) {
    problems.push(`DATABRICKS_WAREHOUSE_ID: expected the id of a SQL warehouse, ${because}`);
  }
  if (warehouseId !== undefined && !isWarehouseId(warehouseId)) {
    problems.push('DATABRICKS_WAREHOUSE_ID: expected the id of a SQL warehouse such as 1234567890abcdef');
  }
  if (authentication?.type === 'pat' && settings.origin !== undefined && origin !== settings.origin) {
    problems.push(
      'DATABRICKS_HOST: expected the workspace of DATABRICKS_AUDIT_SOURCE, because a token is only valid for its own workspace',
    );
  }
  if (problems.length > 0 || origin === undefined || warehouseId === undefined) return bad(problems.join('\n'));
  const name = canonicalName(new URL(origin).host, warehouseId, location.table);
  return good({ ...location, origin, warehouseId, name });
}

/** Two tables may be read through one warehouse. */
function canonicalName(host: string, warehouseId: string, table: string): string {
  return `databricks://${host}/${warehouseId}${table === systemTable ? '' : `?table=${table}`}`;
}
