#!/usr/bin/env bash
# build.sh OUTPUT: what reads examples and workflows as their own programs do.
set -euo pipefail
export GOBIN="$1/bin" CGO_ENABLED=0
go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
go install github.com/compose-spec/compose-go/v2/cmd@v2.10.1
mv "$GOBIN/cmd" "$GOBIN/compose-config"
python3 -m venv "$1/venv"
"$1/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0
