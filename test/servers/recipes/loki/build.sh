#!/usr/bin/env bash
# build.sh OUTPUT: loki, lokitool and promtool, of which Loki's own modules have almost everything. Loki cannot be had by
# `go install`, as its go.mod has `replace` lines; go.mod here repeats them.
set -euo pipefail
programs=(github.com/grafana/loki/v3/cmd/loki github.com/grafana/loki/v3/cmd/lokitool github.com/prometheus/prometheus/cmd/promtool)
go get -tool "${programs[@]}"
for program in "${programs[@]}"; do
  CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$1/${program##*/}" "$program"
done
