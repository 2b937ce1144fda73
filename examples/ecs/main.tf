# Agent and Collector as a service on ECS with Fargate. Fargate has no disk that outlives a task, so the state is shared, in
# DynamoDB, and two tasks in two zones cost no more effort than one.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

data "aws_region" "current" {}

# The role of the task: it reads the deliveries, and uses the table of the state, which this creates.
module "agent" {
  source = "../aws"

  bucket          = var.bucket
  prefix          = var.prefix
  kms_key_arn     = var.kms_key_arn
  trusted_service = "ecs-tasks.amazonaws.com"
  shared_state    = true
}

locals {
  container_definitions = templatefile("${path.module}/containers.json.tftpl", {
    image                            = var.image
    source                           = "s3://${var.bucket}/${var.prefix}"
    start                            = var.start
    state                            = module.agent.state
    dead_letters                     = "s3://${aws_s3_bucket.dead_letters.id}/databricks"
    mapping                          = var.mapping
    region                           = data.aws_region.current.region
    log_group                        = aws_cloudwatch_log_group.agent.name
    collector_configuration          = jsonencode(file("${path.module}/collector.yaml"))
    backend_url                      = var.backend_url
    backend_authorization_secret_arn = var.backend_authorization_secret_arn
  })
}

resource "aws_ecs_task_definition" "agent" {
  family                   = "databricks-audit-otel"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 1024
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = module.agent.role_arn
  container_definitions    = local.container_definitions
}

resource "aws_ecs_service" "agent" {
  name            = "databricks-audit-otel"
  cluster         = var.cluster
  task_definition = aws_ecs_task_definition.agent.arn
  desired_count   = 2
  launch_type     = "FARGATE"

  # One task may be missing during a deployment, and none is needed in excess.
  deployment_minimum_healthy_percent = 50
  deployment_maximum_percent         = 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.subnets
    security_groups = [aws_security_group.agent.id]
  }
}

# Out to S3, DynamoDB, the backend and DNS; nothing comes in.
resource "aws_security_group" "agent" {
  name        = "databricks-audit-otel"
  description = "The agent sends and does not listen."
  vpc_id      = var.vpc
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.agent.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Records that the backend rejects for good, until they are replayed.
resource "aws_s3_bucket" "dead_letters" {
  bucket = var.dead_letters_bucket
}

resource "aws_s3_bucket_public_access_block" "dead_letters" {
  bucket                  = aws_s3_bucket.dead_letters.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

data "aws_iam_policy_document" "dead_letters" {
  statement {
    sid       = "ListDeadLetters"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.dead_letters.arn]
  }

  statement {
    sid       = "KeepDeadLetters"
    actions   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.dead_letters.arn}/databricks/*"]
  }
}

resource "aws_iam_role_policy" "dead_letters" {
  name   = "keep-dead-letters"
  role   = module.agent.role_name
  policy = data.aws_iam_policy_document.dead_letters.json
}

resource "aws_cloudwatch_log_group" "agent" {
  name              = "/ecs/databricks-audit-otel"
  retention_in_days = 30
}

# What ECS itself needs to start the task: the image, the log, and the secret.
data "aws_iam_policy_document" "execution_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "read_secret" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.backend_authorization_secret_arn]
  }
}

resource "aws_iam_role" "execution" {
  name               = "databricks-audit-otel-execution"
  assume_role_policy = data.aws_iam_policy_document.execution_trust.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "read_secret" {
  name   = "read-secret"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.read_secret.json
}
