#!/usr/bin/env bash
# build.sh OUTPUT: pySigma, which tests ask for a second opinion on the rules. Its Loki backend is AGPL: it is run by tests and
# never shipped.
set -euo pipefail
python3 -m venv "$1/venv"
"$1/venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
