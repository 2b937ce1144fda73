#!/usr/bin/env bash
# build.sh OUTPUT: loki and lokitool. They cannot be had by `go install`, as Loki's go.mod has `replace` lines; go.mod here
# repeats them.
set -euo pipefail
version=v3.7.8
module=github.com/grafana/loki/v3
go get -tool "$module/cmd/loki@$version" "$module/cmd/lokitool@$version"
for program in loki lokitool; do
  CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$1/$program" "$module/cmd/$program"
done
