#!/usr/bin/env bash
# build.sh OUTPUT: what reads examples, the chart and workflows as their own programs do.
set -euo pipefail
export GOBIN="$1/bin" CGO_ENABLED=0
go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
go install github.com/compose-spec/compose-go/v2/cmd@v2.10.1
mv "$GOBIN/cmd" "$GOBIN/compose-config"
go install -ldflags '-s -w' helm.sh/helm/v4/cmd/helm@v4.3.2
go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
# The types of the Prometheus Operator, for which kubeconform has no schema.
go mod tidy
go build -o "$GOBIN/monitors" monitors.go
# Schemas for kubeconform, which reads them as files that refer to each other.
python3 -m venv "$1/venv"
"$1/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0
for version in 1.29.0 1.37.0; do
  mkdir -p "$1/schemas"
  mv "$1"/venv/lib/python*/site-packages/kubernetes_validate/kubernetes-json-schema/v$version-local-strict "$1/schemas/v$version"
done
rm -r "$1/venv"
sed -i -e 's#"/api/_definitions.json#"_definitions.json#' -e 's#^  "$id": #  "x-id": #' "$1"/schemas/*/*.json
