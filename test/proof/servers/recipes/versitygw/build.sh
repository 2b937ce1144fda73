#!/usr/bin/env bash
# build.sh OUTPUT: an S3 server over a directory, for large objects and many keys.
set -euo pipefail
CGO_ENABLED=0 GOBIN="$1" go install -trimpath -ldflags '-s -w' github.com/versity/versitygw/cmd/versitygw@v1.8.0
