# An optional table for a state that several replicas share: DATABRICKS_AUDIT_STATE=dynamodb://databricks-audit-state. With a single
# replica the agent needs none.

resource "aws_dynamodb_table" "state" {
  count = var.shared_state ? 1 : 0

  name         = "databricks-audit-state"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "k"
  range_key    = "s"

  # If the table is lost, everything from DATABRICKS_AUDIT_START on is shipped again.
  deletion_protection_enabled = true

  attribute {
    name = "k"
    type = "S"
  }

  attribute {
    name = "s"
    type = "S"
  }

  # Line hashes are deleted some days after the look-back.
  ttl {
    attribute_name = "x"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = var.state_kms_key_arn != null
    kms_key_arn = var.state_kms_key_arn
  }
}

data "aws_iam_policy_document" "share_state" {
  count = var.shared_state ? 1 : 0

  statement {
    sid = "Share"
    actions = [
      "dynamodb:GetItem",
      "dynamodb:BatchGetItem",
      "dynamodb:Query",
      "dynamodb:PutItem",
      "dynamodb:DeleteItem",
      "dynamodb:Scan",               # `status`, `reconcile`, and sources without deliveries
      "dynamodb:DescribeTable",      # `check`
      "dynamodb:DescribeTimeToLive", # `check`
    ]
    resources = [aws_dynamodb_table.state[0].arn]
  }

  dynamic "statement" {
    for_each = var.state_kms_key_arn == null ? [] : [var.state_kms_key_arn]

    content {
      sid       = "EncryptState"
      actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["dynamodb.*.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role_policy" "share_state" {
  count = var.shared_state ? 1 : 0

  name   = "share-state"
  role   = aws_iam_role.agent.id
  policy = data.aws_iam_policy_document.share_state[0].json
}

output "state" {
  description = "For DATABRICKS_AUDIT_STATE."
  value       = var.shared_state ? "dynamodb://${aws_dynamodb_table.state[0].name}" : null
}
