variable "bucket" {
  description = "The bucket that Databricks delivers audit logs to."
  type        = string
}

variable "prefix" {
  description = "The folder that contains workspaceId=.../, with a trailing slash. Empty if that is the bucket itself."
  type        = string
  default     = ""
}

variable "kms_key_arn" {
  description = "The key that encrypts the bucket, if it is your own."
  type        = string
  default     = null
}

variable "start" {
  description = "The first date to ship: earliest, now, or yyyy-mm-dd."
  type        = string
  default     = "earliest"
}

variable "dead_letters_bucket" {
  description = "The name of a bucket to create for rejected records."
  type        = string
}

variable "mapping" {
  description = "Mapping layers: databricks-audit,loki for Grafana Cloud and Loki, databricks-audit,elastic for Elastic Cloud."
  type        = string
  default     = "databricks-audit,loki"
}

variable "image" {
  description = "The image of the agent."
  type        = string
}

variable "backend_url" {
  description = "Base URL of the backend's OTLP endpoint, such as https://otlp-gateway-prod-us-east-0.grafana.net/otlp."
  type        = string
}

variable "backend_authorization_secret_arn" {
  description = "A secret of Secrets Manager with the value of the authorization header, such as `Basic ...`."
  type        = string
}

variable "cluster" {
  description = "The ECS cluster."
  type        = string
}

variable "vpc" {
  type = string
}

variable "subnets" {
  description = "Private subnets in at least two zones, with a way out, such as a NAT gateway: to S3, DynamoDB, the registry of the image, Secrets Manager, CloudWatch Logs and the backend."
  type        = list(string)
}
