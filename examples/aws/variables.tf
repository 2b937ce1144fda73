variable "bucket" {
  description = "The bucket that Databricks delivers audit logs to."
  type        = string
}

variable "prefix" {
  description = "The folder that contains workspaceId=.../, with a trailing slash. Empty if that is the bucket itself."
  type        = string
  default     = ""

  validation {
    condition     = var.prefix == "" || endswith(var.prefix, "/")
    error_message = "The prefix must end with a slash."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the bucket, if it is your own."
  type        = string
  default     = null
}

variable "oidc_provider_arn" {
  description = "The OIDC identity provider of the EKS cluster, arn:aws:iam::...:oidc-provider/oidc.eks.... Not needed with trusted_service."
  type        = string
  default     = null
}

variable "trusted_service" {
  description = "Who may use the role instead: pods.eks.amazonaws.com (EKS Pod Identity), ecs-tasks.amazonaws.com or ec2.amazonaws.com."
  type        = string
  default     = null

  validation {
    condition     = (var.trusted_service == null) != (var.oidc_provider_arn == null)
    error_message = "Set either oidc_provider_arn or trusted_service."
  }
}

variable "service_account" {
  description = "Namespace and name of the agent's service account; the default is that of examples/kubernetes."
  type        = string
  default     = "databricks-audit:databricks-audit-otel"
}

variable "notification_queue" {
  description = "Whether a queue receives a message for each delivered object, so that the agent finds it within seconds. S3 sends it, unless notification_topic_arn or notification_rule is set."
  type        = bool
  default     = false
}

variable "notification_topic_arn" {
  description = "An SNS topic to which the bucket sends its notifications already. The queue subscribes to it, and the bucket is not changed."
  type        = string
  default     = null
}

variable "notification_rule" {
  description = "Whether a rule of EventBridge sends the messages. EventBridge has to be turned on for the bucket, which is not changed."
  type        = bool
  default     = false

  validation {
    condition     = !(var.notification_rule && var.notification_topic_arn != null)
    error_message = "Set either notification_topic_arn or notification_rule."
  }
}

variable "shared_state" {
  description = "Whether to create a DynamoDB table for a state that several replicas share."
  type        = bool
  default     = false
}

variable "state_kms_key_arn" {
  description = "The key that encrypts the table of the shared state, if it is your own."
  type        = string
  default     = null
}

variable "dead_letter_bucket" {
  description = "Name of a bucket to create for records that the collector rejects. Null to keep them in the agent's state directory."
  type        = string
  default     = null
}
