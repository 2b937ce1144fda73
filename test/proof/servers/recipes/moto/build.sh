#!/usr/bin/env bash
# build.sh OUTPUT: AWS for tests. Start it by OUTPUT/venv/bin/python -m moto.server, which unlike the venv's scripts works
# after the folder was moved.
set -euo pipefail
python3 -m venv "$1/venv"
"$1/venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
