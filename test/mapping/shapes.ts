/**
 * One audit event, written in each shape in which Databricks delivers it.
 */

/** What all shapes can hold. Values of parameters are strings, as in the table. */
export interface SampleEvent {
  /** Whole seconds, which is all that Azure has. */
  readonly timeSeconds: number;
  readonly serviceName: string;
  readonly actionName: string;
  readonly email: string | null;
  readonly subjectName: string | null;
  readonly sourceIpAddress: string | null;
  readonly userAgent: string | null;
  readonly sessionId: string | null;
  readonly requestId: string | null;
  readonly requestParams: Readonly<Record<string, string>>;
  readonly statusCode: number;
  readonly errorMessage: string | null;
  readonly result: string | null;
}

const resourceId = '/SUBSCRIPTIONS/A/RESOURCEGROUPS/B/PROVIDERS/MICROSOFT.DATABRICKS/WORKSPACES/C';
const version = '2.0';

export const shapes: Readonly<Record<string, (event: SampleEvent) => object>> = {
  'log delivery': delivered,
  'system table': tableRow,
  'Azure with objects': (event) => azureRecord(event, (part) => part),
  'Azure with strings': (event) => azureRecord(event, (part) => JSON.stringify(part)),
};

function delivered(event: SampleEvent): object {
  const { timeSeconds, serviceName, actionName, email, subjectName, statusCode, errorMessage, result } = event;
  return {
    version,
    timestamp: timeSeconds * 1000,
    sourceIPAddress: event.sourceIpAddress,
    userAgent: event.userAgent,
    sessionId: event.sessionId,
    userIdentity: { email, subjectName },
    serviceName,
    actionName,
    requestId: event.requestId,
    requestParams: event.requestParams,
    response: { statusCode, errorMessage, result },
  };
}

/** As the source writes it: without nulls, with the keys of maps sorted, to the microsecond. */
function tableRow(event: SampleEvent): object {
  const { timeSeconds, email, subjectName, statusCode, errorMessage, result, requestParams } = event;
  return withoutNulls({
    version,
    event_time: new Date(timeSeconds * 1000).toISOString().replace('Z', '000Z'),
    source_ip_address: event.sourceIpAddress,
    user_agent: event.userAgent,
    session_id: event.sessionId,
    user_identity: withoutNulls({ email, subject_name: subjectName }),
    service_name: event.serviceName,
    action_name: event.actionName,
    request_id: event.requestId,
    request_params: Object.fromEntries(Object.entries(requestParams).toSorted()),
    response: withoutNulls({ status_code: statusCode, error_message: errorMessage, result }),
    event_id: '34ac703c772f3549dcc8671f654950f0',
  });
}

function azureRecord(event: SampleEvent, written: (part: object) => unknown): object {
  const { timeSeconds, serviceName, actionName, email, subjectName, statusCode, errorMessage, result } = event;
  return {
    resourceId,
    operationVersion: version,
    identity: written({ email, subjectName }),
    operationName: `Microsoft.Databricks/${serviceName}/${actionName}`,
    time: new Date(timeSeconds * 1000).toISOString().replace('.000Z', 'Z'),
    category: serviceName,
    properties: {
      sourceIPAddress: event.sourceIpAddress,
      logId: '87e1a69e-444a-434e-a0be-648b1797e6d9',
      serviceName,
      userAgent: event.userAgent,
      response: written({ statusCode, errorMessage, result }),
      sessionId: event.sessionId,
      actionName,
      requestId: event.requestId,
      requestParams: written(event.requestParams),
    },
    Host: '0515-010532-v1hfphej-10-139-124-2',
  };
}

function withoutNulls(row: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}
