/**
 * Names of the blobs that diagnostic settings write.
 */
export interface LogName {
  readonly subscription?: string;
  readonly group?: string;
  readonly provider?: string;
  readonly workspace?: string;
  /** `yyyy-mm-dd`, in UTC. */
  readonly date?: string;
  readonly hour?: number;
}

/** `resourceId=/SUBSCRIPTIONS/.../WORKSPACES/<name>/y=2026/m=11/d=30/h=08/m=00/PT1H.json` */
export function diagnosticLogName({
  subscription = '00000000-0000-0000-0000-000000000001',
  group = 'ANALYTICS',
  provider = 'MICROSOFT.DATABRICKS',
  workspace = 'ADB-PROD',
  date = '2026-11-30',
  hour = 8,
}: LogName = {}): string {
  const [year, month, day] = date.split('-');
  const resource = `SUBSCRIPTIONS/${subscription}/RESOURCEGROUPS/${group}/PROVIDERS/${provider}/WORKSPACES/${workspace}`;
  return `resourceId=/${resource}/y=${year}/m=${month}/d=${day}/h=${String(hour).padStart(2, '0')}/m=00/PT1H.json`;
}
