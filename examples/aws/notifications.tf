# An optional queue that receives a message for each delivered object, so that the agent finds it within seconds instead of at the next
# listing: DATABRICKS_AUDIT_QUEUE is the output notification_queue_url. docs/notifications.md has the details.
#
# Who sends:
# - S3 itself. A bucket has a single notification configuration: this one replaces any that exists.
# - The SNS topic notification_topic_arn, to which the bucket sends already.
# - EventBridge, with notification_rule = true. It has to be turned on for the bucket.

locals {
  notification_sender = var.notification_topic_arn != null ? "sns" : var.notification_rule ? "events" : "s3"
  notification_sender_arn = {
    s3     = local.bucket_arn
    sns    = var.notification_topic_arn
    events = one(aws_cloudwatch_event_rule.deliveries[*].arn)
  }[local.notification_sender]
}

resource "aws_sqs_queue" "deliveries" {
  count = var.notification_queue ? 1 : 0

  name                      = "databricks-audit-deliveries"
  message_retention_seconds = 345600 # Listings find what is dropped after four days.
  sqs_managed_sse_enabled   = true   # S3 may not use alias/aws/sqs.
}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "notify" {
  count = var.notification_queue ? 1 : 0

  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.deliveries[0].arn]

    principals {
      type        = "Service"
      identifiers = ["${local.notification_sender}.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.notification_sender_arn]
    }

    # The ARN of a bucket does not contain its account.
    dynamic "condition" {
      for_each = local.notification_sender == "s3" ? [1] : []
      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [data.aws_caller_identity.current.account_id]
      }
    }
  }
}

resource "aws_sqs_queue_policy" "deliveries" {
  count = var.notification_queue ? 1 : 0

  queue_url = aws_sqs_queue.deliveries[0].id
  policy    = data.aws_iam_policy_document.notify[0].json
}

resource "aws_s3_bucket_notification" "deliveries" {
  count = var.notification_queue && local.notification_sender == "s3" ? 1 : 0

  bucket = var.bucket

  queue {
    queue_arn     = aws_sqs_queue.deliveries[0].arn
    events        = ["s3:ObjectCreated:*"] # An overwrite counts as a creation.
    filter_prefix = var.prefix
  }

  depends_on = [aws_sqs_queue_policy.deliveries]
}

resource "aws_sns_topic_subscription" "deliveries" {
  count = var.notification_queue && local.notification_sender == "sns" ? 1 : 0

  topic_arn            = var.notification_topic_arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.deliveries[0].arn
  raw_message_delivery = true

  depends_on = [aws_sqs_queue_policy.deliveries]
}

resource "aws_cloudwatch_event_rule" "deliveries" {
  count = var.notification_queue && var.notification_rule ? 1 : 0

  name = "databricks-audit-deliveries"
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"] # An overwrite counts as a creation.
    detail = {
      bucket = { name = [var.bucket] }
      object = { key = [{ prefix = var.prefix }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "deliveries" {
  count = var.notification_queue && var.notification_rule ? 1 : 0

  rule = aws_cloudwatch_event_rule.deliveries[0].name
  arn  = aws_sqs_queue.deliveries[0].arn

  depends_on = [aws_sqs_queue_policy.deliveries]
}

data "aws_iam_policy_document" "follow_notifications" {
  count = var.notification_queue ? 1 : 0

  statement {
    sid = "Follow"
    actions = [
      "sqs:ReceiveMessage",
      "sqs:DeleteMessage",
      "sqs:ChangeMessageVisibility",
      "sqs:GetQueueAttributes", # Only for `check`.
    ]
    resources = [aws_sqs_queue.deliveries[0].arn]
  }
}

resource "aws_iam_role_policy" "follow_notifications" {
  count = var.notification_queue ? 1 : 0

  name   = "follow-notifications"
  role   = aws_iam_role.agent.id
  policy = data.aws_iam_policy_document.follow_notifications[0].json
}

output "notification_queue_url" {
  value = one(aws_sqs_queue.deliveries[*].url)
}
