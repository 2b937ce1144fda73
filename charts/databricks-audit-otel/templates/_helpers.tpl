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

{{/* A value as text. Numbers of a values file are floats, which Helm would write as 4.194304e+06. */}}
{{- define "agent.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* "true" if the state is not on a volume. */}}
{{- define "agent.isShared" -}}
{{- if .Values.state -}}true{{- end -}}
{{- end -}}

{{/* "true" if the path is on a volume. Arguments: path, mounts, and toWrite, for volumes that are not mounted to read only. */}}
{{- define "agent.isMounted" -}}
{{- $found := false -}}
{{- range .mounts -}}
{{- $mount := printf "%s/" (clean .mountPath | trimSuffix "/") -}}
{{- if and (hasPrefix $mount (printf "%s/" $.path)) (not (and $.toWrite .readOnly)) -}}{{- $found = true -}}{{- end -}}
{{- end -}}
{{- if $found -}}true{{- end -}}
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
{{- if .Values.state -}}
{{- if regexMatch "^postgres(ql)?://([^@/]*:[^@]*@|.*[?&](ssl)?password=)" .Values.state -}}
{{- $problems = append $problems "state: the password of the database can be read in the Deployment. Put it as PGPASSWORD into a secret, name that in existingSecret, and set state to postgres://user@host/database." -}}
{{- else if regexMatch "^dynamodb://" .Values.state -}}
{{- if not (regexMatch "^dynamodb://[A-Za-z0-9_.-]{3,255}$" .Values.state) -}}
{{- $problems = append $problems "state: dynamodb:// is followed by the name of a table, and by nothing else. Set it to dynamodb://table." -}}
{{- end -}}
{{- else if not (regexMatch "^postgres(ql)?://([^:@/]+@)?[^@]+$" .Values.state) -}}
{{- $problems = append $problems "state: agents share a DynamoDB table or a PostgreSQL database. Set it to dynamodb://table or postgres://user@host/database, or leave it empty for a volume." -}}
{{- end -}}
{{- end -}}
{{- $mounts := .Values.extraVolumeMounts | default list -}}
{{- if not .Values.state -}}
{{- $mounts = append $mounts (dict "mountPath" "/state") -}}
{{- end -}}
{{- if hasPrefix "/" .Values.deadLetters -}}
{{- $path := clean .Values.deadLetters -}}
{{- if not (include "agent.isMounted" (dict "path" $path "mounts" $mounts "toWrite" true)) -}}
{{- $problems = append $problems (printf "deadLetters: the agent cannot write to %s, where no volume is mounted. Leave it empty for /state, set it to s3://bucket/prefix, or mount a volume with extraVolumes and extraVolumeMounts." $path) -}}
{{- end -}}
{{- end -}}
{{- range splitList "," .Values.source -}}
{{- $location := trimPrefix "file://" (trim .) -}}
{{- if hasPrefix "/" $location -}}
{{- $isUrl := hasPrefix "file:" (trim .) -}}
{{- $path := clean (ternary (regexReplaceAll "[?#].*$" $location "") $location $isUrl) -}}
{{/* Escapes of a URL are not decoded here. */}}
{{- if not (or (and $isUrl (contains "%" $path)) (include "agent.isMounted" (dict "path" $path "mounts" $mounts))) -}}
{{- $problems = append $problems (printf "source: no volume is mounted at %s. Mount one with extraVolumes and extraVolumeMounts, or name a bucket." $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $endpoint := .Values.otlp.endpoint -}}
{{- if eq .Values.otlp.protocol "grpc" -}}
{{- if eq .Values.otlp.compression "zstd" -}}
{{- $problems = append $problems "otlp.compression: gRPC for Node.js has no zstd. Set it to gzip or none, or otlp.protocol to http/protobuf." -}}
{{- end -}}
{{- if regexMatch "^https?://[^/]+/." $endpoint -}}
{{- $problems = append $problems (printf "otlp.endpoint: gRPC has no path, but there is one in %s. Set it to http://host:4317." $endpoint) -}}
{{- end -}}
{{- else if and $endpoint (not (regexMatch "^https?://" $endpoint)) -}}
{{- $problems = append $problems (printf "otlp.endpoint: %s has no scheme, which only gRPC permits. Set it to http://%s, or otlp.protocol to grpc." $endpoint $endpoint) -}}
{{- end -}}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled -}}
{{- $problems = append $problems "metrics: a PodMonitor and a ServiceMonitor would scrape every pod twice. Enable one of them." -}}
{{- end -}}
{{- $entries := list -}}
{{- range $name, $value := .Values.env -}}
{{- $entries = append $entries (dict "in" "env" "name" $name "value" (toString $value)) -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- $entries = append $entries (dict "in" "extraEnv" "name" .name "value" (toString (get . "value"))) -}}
{{- end -}}
{{- $valueOf := dict
  "DATABRICKS_AUDIT_SOURCE" "source"
  "DATABRICKS_AUDIT_STATE" "state"
  "DATABRICKS_AUDIT_DEAD_LETTERS" "deadLetters"
  "DATABRICKS_AUDIT_MAPPING" "mapping"
  "DATABRICKS_AUDIT_START" "start"
  "OTEL_EXPORTER_OTLP_ENDPOINT" "otlp.endpoint"
  "OTEL_EXPORTER_OTLP_PROTOCOL" "otlp.protocol"
  "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL" "otlp.protocol"
  "OTEL_EXPORTER_OTLP_COMPRESSION" "otlp.compression"
  "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION" "otlp.compression" -}}
{{- $names := list -}}
{{- range $entries -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $isGrpc := eq .Values.otlp.protocol "grpc" -}}
{{/* What a secret sets is not known here. */}}
{{- $metricsNeed := not (or .Values.existingSecret (and (has "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" $names) (has "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL" $names))) -}}
{{- $seen := dict -}}
{{- range $entries -}}
{{- if and $isGrpc $metricsNeed (eq .name "OTEL_METRICS_EXPORTER") (contains "otlp" .value) -}}
{{- $problems = append $problems (printf "%s.%s: metrics are pushed over HTTP, not gRPC. Set env.OTEL_EXPORTER_OTLP_METRICS_PROTOCOL to http/protobuf and env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT to http://host:4318/v1/metrics." .in .name) -}}
{{- else if and $isGrpc (eq .name "DATABRICKS_AUDIT_SELF_LOGS") (eq .value "otlp") -}}
{{- $problems = append $problems (printf "%s.%s: the agent's own log cannot be sent over gRPC. Remove it, or set otlp.protocol to http/protobuf." .in .name) -}}
{{- end -}}
{{- if hasKey $valueOf .name -}}
{{- $problems = append $problems (printf "%s.%s: set %s instead, from which the chart makes this variable." .in .name (get $valueOf .name)) -}}
{{- else if hasKey $seen .name -}}
{{- $problems = append $problems (printf "%s.%s: the variable is set twice." .in .name) -}}
{{- else if and (eq .name "DATABRICKS_AUDIT_HTTP") (not (regexMatch "^(0\\.0\\.0\\.0|\\[::\\]):9464$" .value)) -}}
{{- $problems = append $problems (printf "%s.%s: the probes and Prometheus need port 9464 on every address. Remove it, or set it to [::]:9464 where pods have only IPv6." .in .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nThese values do not work:\n  %s\n" (join "\n  " $problems)) -}}
{{- end -}}
{{- end -}}

{{/* The port of a URL, by its scheme if it names none, or of a target of gRPC. Arguments: url, and the port of other schemes. */}}
{{- define "agent.port" -}}
{{- $target := regexReplaceAll "^dns:(///)?" .url "" -}}
{{- $isUrl := contains "://" $target -}}
{{- $url := urlParse (ternary $target (printf "grpc://%s" $target) $isUrl) -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
{{- if $port -}}{{ $port }}{{- else if not $isUrl -}}4317{{- else if eq $url.scheme "https" -}}443{{- else -}}{{ .default }}{{- end -}}
{{- end -}}

{{/* A list of ports, as JSON: those of the value, or of the endpoints to which the agent sends records and metrics. */}}
{{- define "agent.collectorPorts" -}}
{{- $urls := list .Values.otlp.endpoint -}}
{{- $variables := list "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT" "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" -}}
{{- range $name := $variables -}}
{{- with get ($.Values.env | default dict) $name -}}{{- $urls = append $urls . -}}{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and (has .name $variables) (get . "value") -}}{{- $urls = append $urls .value -}}{{- end -}}
{{- end -}}
{{- $ports := list -}}
{{- range $urls -}}
{{- $ports = append $ports (include "agent.port" (dict "url" . "default" 80) | int) -}}
{{- end -}}
{{- .Values.networkPolicy.collectorPorts | default $ports | uniq | toJson -}}
{{- end -}}
