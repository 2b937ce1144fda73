#!/usr/bin/env bash
# package-chart.sh VERSION IMAGE OUTPUT: packs the chart of a release, whose default image is the published one.
set -euo pipefail
version="$1" image="$2" output="$3"
cd "$(dirname "$0")/../.."

temporary="$(mktemp -d)"
trap 'rm -rf "$temporary"' EXIT
# Follows the links to alerts and dashboard, so the package does not depend on how Helm treats them.
cp -rL charts/databricks-audit-otel "$temporary/"
chart="$temporary/databricks-audit-otel"
sed -i "s#^  repository: databricks-audit-otel\$#  repository: $image#" "$chart/values.yaml"
grep -q "^  repository: $image\$" "$chart/values.yaml"
helm package "$chart" --version "$version" --app-version "$version" --destination "$output"
