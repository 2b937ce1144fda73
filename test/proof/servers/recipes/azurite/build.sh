#!/usr/bin/env bash
# build.sh OUTPUT: Azure Blob Storage for tests. The lock file pins every package by its hash, and none of them runs a script.
set -euo pipefail
cp package.json package-lock.json "$1/"
npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund
