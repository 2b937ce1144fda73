{{- define "agent.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "agent.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "agent.labels" -}}
{{ include "agent.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "agent.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "agent.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{- define "agent.image" -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* "true" if the state is not on a volume. */}}
{{- define "agent.isShared" -}}
{{- if .Values.state -}}true{{- end -}}
{{- end -}}

{{/* What the schema cannot say, or not as clearly. */}}
{{- define "agent.validate" -}}
{{- $problems := list -}}
{{- if not .Values.source -}}
{{- $problems = append $problems "source: where does Databricks deliver? Set it to s3://bucket/prefix." -}}
{{- end -}}
{{- if not .Values.otlp.endpoint -}}
{{- $problems = append $problems "otlp.endpoint: where is the collector? Set it to http://host:4318, or http://host:4317 with otlp.protocol=grpc." -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.state) -}}
{{- $problems = append $problems (printf "replicas: only one agent can use the state on a volume, but there are %d replicas. Set state to dynamodb://table or postgres://user@host/database." (int .Values.replicas)) -}}
{{- end -}}
{{- if and .Values.state (not (hasPrefix "s3://" .Values.deadLetters)) -}}
{{- $problems = append $problems "deadLetters: a shared state has no volume to keep rejected records on. Set it to s3://bucket/prefix." -}}
{{- end -}}
{{- range $name := list "DATABRICKS_AUDIT_SOURCE" "DATABRICKS_AUDIT_STATE" "DATABRICKS_AUDIT_DEAD_LETTERS" "DATABRICKS_AUDIT_MAPPING" "DATABRICKS_AUDIT_START" "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_COMPRESSION" -}}
{{- if hasKey $.Values.env $name -}}
{{- $problems = append $problems (printf "env.%s: the chart sets this variable from a value of its own." $name) -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nThese values do not work:\n  %s\n" (join "\n  " $problems)) -}}
{{- end -}}
{{- end -}}

{{/* The port of a URL, by its scheme if it names none. Arguments: url, and the port of other schemes. */}}
{{- define "agent.port" -}}
{{- $url := urlParse .url -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
{{- if $port -}}{{ $port }}{{- else if eq $url.scheme "https" -}}443{{- else -}}{{ .default }}{{- end -}}
{{- end -}}
