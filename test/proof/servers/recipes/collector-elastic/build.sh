#!/usr/bin/env bash
# build.sh OUTPUT: a Collector with the Elasticsearch exporter.
set -euo pipefail
GOBIN="$PWD/bin" go install go.opentelemetry.io/collector/cmd/builder@v0.120.0
CGO_ENABLED=0 bin/builder --config builder.yaml
mv build/otelcol-elastic "$1/otelcol"
