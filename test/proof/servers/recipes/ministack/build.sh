#!/usr/bin/env bash
# build.sh OUTPUT: a second, independent AWS for tests. Start it by OUTPUT/venv/bin/python -m ministack.
set -euo pipefail
python3 -m venv "$1/venv"
"$1/venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
