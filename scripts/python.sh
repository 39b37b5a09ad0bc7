#!/bin/sh
# Prints a Python for `uv --python`: 3.12 to 3.14 found by uv, else pyenv's, else "3.12", which uv then downloads.
# Usage: scripts/python.sh UV
set -u
p=$("$1" python find --no-python-downloads --no-project '>=3.12,<3.15' 2>/dev/null) && { echo "$p"; exit 0; }
for p in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-4].*/bin/python3; do
  "$p" -c '' 2>/dev/null && { echo "$p"; exit 0; }
done
echo 3.12
