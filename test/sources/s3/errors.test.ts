import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { adviceOf, isAgentError } from '../../../src/model/agent-error.ts';
import { describeS3Error } from '../../../src/sources/s3/errors.ts';

const listing = { action: 's3:ListBucket', bucket: 'logs', path: 'audit/' } as const;

describe('an error of S3', () => {
  test('gives its cause as advice if its hint refers to it', () => {
    expect(adviceOf(describeS3Error(new Error('socket stalled'), listing))).toMatch(
      /see the cause\.\nCause: .*stalled$/,
    );
    const denied = describeS3Error(sdkError('AccessDenied', 403), listing);
    expect(adviceOf(denied)).toBe(denied.hint);
  });

  test.each([
    [sdkError('RequestTimeTooSkewed', 403), 'ERR_SOURCE_CREDENTIALS', /clock/],
    [sdkError('TokenRefreshRequired', 400), 'ERR_SOURCE_CREDENTIALS', /expired/],
    [sdkError('InvalidAccessKeyId', 403), 'ERR_SOURCE_CREDENTIALS', /not valid/],
    [
      sdkError('AccessDenied', 403, 'Not authorized to perform sts:AssumeRoleWithWebIdentity'),
      'ERR_SOURCE_CREDENTIALS',
      /sts:AssumeRoleWithWebIdentity|assumed/,
    ],
    [nodeError('ENOENT', { path: '/var/run/token' }), 'ERR_SOURCE_CREDENTIALS', /AWS credentials file/],
    [
      sdkError('AuthorizationHeaderMalformed', 400, "the region 'us-east-1' is wrong; expecting 'eu-central-1'"),
      'ERR_CONFIGURATION',
      /eu-central-1/,
    ],
    [
      new Error('Region not accepted: region="" is not a valid hostname component.'),
      'ERR_CONFIGURATION',
      /region is empty or is no name of a region/,
    ],
    [
      nodeError('ERR_SYSTEM_ERROR', {
        message: 'A system error occurred: uv_os_homedir returned ENOENT (no such file)',
      }),
      'ERR_CONFIGURATION',
      /HOME is not set/,
    ],
    [sdkError('TooManyRequests', 429), 'ERR_SOURCE_THROTTLED', /throttling/],
    [nodeError('ENOTFOUND', { hostname: 'logs.s3.eu-nowhere-1.amazonaws.com' }), 'ERR_SOURCE_READ', /eu-nowhere-1/],
    [nodeError('CERT_HAS_EXPIRED', {}), 'ERR_SOURCE_READ', /certificate/],
    [Object.assign(new Error('timed out'), { name: 'TimeoutError' }), 'ERR_SOURCE_READ', /not reachable/],
    [
      new AggregateError([nodeError('ECONNREFUSED', { address: '::1', port: 9000 })], ''),
      'ERR_SOURCE_READ',
      /::1:9000 is not reachable \(ECONNREFUSED\)/,
    ],
    ['thrown text', 'ERR_SOURCE_READ', /request failed/],
    [undefined, 'ERR_SOURCE_READ', /request failed/],
  ])('becomes an error that says what happened and what to do: %s', (error, code, message) => {
    const described = describeS3Error(error, listing);
    expect(described).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.any(String) });
    expect(described.message).toMatch(/^Could not list s3:\/\/logs\/audit\/: /);
  });

  test('names the profile without credentials, which has precedence over keys', () => {
    const failed = () =>
      describeS3Error(sdkError('CredentialsProviderError', 0, 'Could not load credentials'), listing);
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv('AWS_PROFILE', 'audit-prod');
    expect(failed()).toMatchObject({
      code: 'ERR_SOURCE_CREDENTIALS',
      message: expect.stringMatching(/no AWS credentials could be loaded with AWS_PROFILE=audit-prod$/),
      hint: expect.stringContaining('Check that the profile exists'),
    });
    vi.stubEnv('AWS_PROFILE', '');
    expect(failed().message).toMatch(/no AWS credentials could be loaded$/);
  });

  test('about SSE-C says that it is not supported', () => {
    const answer =
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided.';
    const described = describeS3Error(sdkError('InvalidRequest', 400, answer), { ...listing, action: 's3:GetObject' });
    expect(described).toMatchObject({ code: 'ERR_SOURCE_READ', message: expect.stringContaining('SSE-C') });
  });

  test('about access names the ARN that a policy needs, also for an access point', () => {
    const bucket = 'arn:aws:s3:us-west-2:111122223333:accesspoint/audit';
    const hintOf = (call: Parameters<typeof describeS3Error>[1]) =>
      describeS3Error(sdkError('AccessDenied', 403), call).hint;
    expect(hintOf(listing)).toContain('s3:ListBucket on arn:aws:s3:::logs;');
    expect(hintOf(listing)).toContain('Requester Pays');
    expect(hintOf({ ...listing, bucket })).toContain(`s3:ListBucket on ${bucket};`);
    expect(hintOf({ action: 's3:GetObject', bucket, path: 'a.json' })).toContain(`${bucket}/object/a.json,`);
  });

  test('contains no secrets, neither in its messages nor in the fields of its cause', () => {
    const error = Object.assign(
      sdkError(
        'InvalidAccessKeyId',
        403,
        'The key AKIAIOSFODNN7EXAMPLE is unknown at https://x/?X-Amz-Signature=abc123',
      ),
      { AWSAccessKeyId: 'AKIAIOSFODNN7EXAMPLE', StringToSign: 'top secret' },
    );
    const described = describeS3Error(error, listing);
    const everything = `${described.message} ${described.hint} ${JSON.stringify(described.cause)} ${described.cause}`;
    expect(everything).not.toMatch(/AKIA|abc123|top secret/);
    expect(everything).toContain('is unknown');
  });

  test('is unchanged if it is already described', () => {
    const described = describeS3Error(sdkError('SlowDown', 503), listing);
    expect(describeS3Error(described, listing)).toBe(described);
    expect(isAgentError(described, 'ERR_SOURCE_THROTTLED')).toBe(true);
  });

  test('never contains control characters of a key', () => {
    const described = describeS3Error(sdkError('AccessDenied', 403), { ...listing, path: 'a\u001b[31m\nb' });
    expect(`${described.message}${described.hint}`).not.toMatch(/\p{Cc}/u);
  });
});

function sdkError(name: string, httpStatusCode: number, message = 'said no'): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode } });
}

function nodeError(code: string, fields: object): Error {
  return Object.assign(new Error(`connect ${code}`), { code, ...fields });
}
