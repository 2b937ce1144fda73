/**
 * The names that a bucket of S3 can have: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
 */
export const bucketNameExpected =
  'expected a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens in s3://bucket/prefix';

export function isBucketName(text: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) && !text.includes('..');
}
