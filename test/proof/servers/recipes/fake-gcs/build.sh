#!/usr/bin/env bash
# build.sh OUTPUT: Google Cloud Storage for tests. Go verifies the module by the checksum database.
set -euo pipefail
GOBIN="$1/bin" CGO_ENABLED=0 go install -trimpath github.com/fsouza/fake-gcs-server@v1.56.1
