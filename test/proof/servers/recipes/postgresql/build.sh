#!/usr/bin/env bash
# build.sh OUTPUT: PostgreSQL from Debian's packages, extracted and not installed: installing would start a server. Its programs are in
# OUTPUT/usr/lib/postgresql/<version>/bin and find their other files relative to themselves. Run them with
# LD_LIBRARY_PATH=OUTPUT/lib, which has the libraries that this machine lacks.
set -euo pipefail
server() { apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: \(postgresql-[0-9]*\)$/\1/p' | head -1; }
[ -n "$(server)" ] || apt-get update -qq
mkdir -p packages/partial "$1/lib"
# Only downloads, so it needs neither root nor the lock of the package manager.
apt-get install -qq -y --download-only --reinstall --no-install-recommends \
  -o Debug::NoLocking=1 -o APT::Sandbox::User= -o Dir::Cache::archives="$PWD/packages" "$(server)"
# The compiler of expressions; it is large, and only used if it is there.
rm -f packages/libllvm*
for package in packages/*.deb; do dpkg -x "$package" "$1"; done
rm -rf "$1"/usr/share/{doc,locale,man} "$1"/usr/lib/postgresql/*/lib/bitcode "$1"/usr/lib/postgresql/*/lib/llvmjit*
find "$1/usr/lib" "$1/lib" -path "*-linux-gnu/*.so.*" -exec cp -P {} "$1/lib/" \;
