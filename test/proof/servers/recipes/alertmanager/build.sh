#!/usr/bin/env bash
# build.sh OUTPUT: alertmanager and amtool. The module has no built user interface, without which it cannot be compiled, so an
# empty page stands in for it.
set -euo pipefail
version=v0.35.0
source="$(go mod download -json "github.com/prometheus/alertmanager@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')"
cp -r "$source" alertmanager
chmod -R u+w alertmanager
cd alertmanager
for part in elm mantine; do
  mkdir -p "ui/app/dist/$part"
  echo '<html></html>' >"ui/app/dist/$part/index.html"
done
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$1/" ./cmd/alertmanager ./cmd/amtool
