/**
 * Explains why a bucket for dead letters cannot be used.
 */
import {
  type AwsExplanation,
  type AwsFailure,
  explainCredentials,
  explainHome,
  explainUnreachable,
  isThrottled,
  withoutSecrets,
} from '../../runtime/aws/failure.ts';
import { printable } from '../../runtime/printable.ts';

export function explainBucketFailure(
  failure: AwsFailure,
  action: string,
  bucket: string,
  path: string,
): AwsExplanation {
  return (
    explainHome(failure) ??
    explainCredentials(failure) ??
    explainRefusal(failure, action, bucket, path) ??
    explainUnreachable(failure, 'AWS_REGION, and AWS_ENDPOINT_URL_S3 if it is set') ?? {
      reason: withoutSecrets(`${failure.name}: ${failure.message}`),
      hint: 'Check AWS_REGION and DATABRICKS_AUDIT_DEAD_LETTERS.',
    }
  );
}

function explainRefusal(failure: AwsFailure, action: string, bucket: string, path: string): AwsExplanation | undefined {
  const { name, message, status } = failure;
  if (isThrottled(failure)) return { reason: `S3 is throttling requests (${name})`, hint: 'Nothing needs to be done.' };
  if (name === 'NoSuchBucket' || (status === 404 && action === 's3:ListBucket')) {
    return { reason: `there is no bucket ${bucket}`, hint: 'Create it, or check DATABRICKS_AUDIT_DEAD_LETTERS.' };
  }
  if (status !== 403 && name !== 'AccessDenied') return undefined;
  if (/kms/i.test(message)) {
    return {
      reason: 'access denied to the encryption key of the bucket',
      hint: "Allow kms:GenerateDataKey and kms:Decrypt on the bucket's key, in the policies of the role and of the key.",
    };
  }
  const resource = action === 's3:ListBucket' ? bucket : `${bucket}/${printable(path.replace(/[^/]*$/, ''))}*`;
  return {
    reason: `access denied (${action})`,
    hint: `Allow ${action} on arn:aws:s3:::${resource}, in the policies of the role and of the bucket.`,
  };
}
