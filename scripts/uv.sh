#!/bin/sh
# Prints the path of a working uv; fetches it from the package registry into ./.uv when the machine has none.
# `command -v uv` is not asked: a pyenv shim exists and exits 127. Without system certificates a scrubbed environment
# fails behind a private certificate authority.
set -u
version="$(cat "$(dirname "$0")/uv.version")"
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
if uv --version >/dev/null 2>&1; then echo uv; exit 0; fi
if .uv/bin/uv --version >/dev/null 2>&1; then echo .uv/bin/uv; exit 0; fi
for py in python3 /usr/bin/python3; do
  rm -rf .uv
  "$py" -m venv .uv >/dev/null 2>&1 && .uv/bin/python -m pip install -q --disable-pip-version-check "uv==$version" >&2 && { echo .uv/bin/uv; exit 0; }
  rm -rf .uv # Debian without python3-venv
  "$py" -m pip install -q --disable-pip-version-check --target .uv "uv==$version" >&2 2>/dev/null && { echo .uv/bin/uv; exit 0; }
done
rm -rf .uv
echo "setup: no uv, and none could be installed. Install it (pipx install uv), or install python3-venv or python3-pip, then run make again." >&2
exit 1
