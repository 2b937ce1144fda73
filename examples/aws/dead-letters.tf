# An optional bucket for records that the collector permanently rejects, for an agent without a disk that outlives it:
# DATABRICKS_AUDIT_DEAD_LETTERS is the output dead_letters. It must not be the bucket of the deliveries, in which the agent never writes.

resource "aws_s3_bucket" "dead_letters" {
  count = var.dead_letter_bucket == null ? 0 : 1

  bucket = var.dead_letter_bucket
}

resource "aws_s3_bucket_public_access_block" "dead_letters" {
  count = var.dead_letter_bucket == null ? 0 : 1

  bucket                  = aws_s3_bucket.dead_letters[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "keep_dead_letters" {
  count = var.dead_letter_bucket == null ? 0 : 1

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.dead_letters[0].arn]
  }

  statement {
    sid       = "Keep"
    actions   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"] # The last one only for `replay`.
    resources = ["${aws_s3_bucket.dead_letters[0].arn}/audit/*"]
  }
}

resource "aws_iam_role_policy" "keep_dead_letters" {
  count = var.dead_letter_bucket == null ? 0 : 1

  name   = "keep-dead-letters"
  role   = aws_iam_role.agent.id
  policy = data.aws_iam_policy_document.keep_dead_letters[0].json
}

output "dead_letters" {
  value = var.dead_letter_bucket == null ? null : "s3://${var.dead_letter_bucket}/audit"
}
