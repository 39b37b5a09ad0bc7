#!/bin/sh
# Makes .venv what requirements/NAME.txt says, and installs this checkout into it. Usage: scripts/setup.sh run|dev
# What is downloaded is checked against hashes, the build backend's too. `dev` contains everything of `run`, so a `run` after
# a `dev` has nothing to do. Called by make, which keeps the stamps .venv/.ready-run and .venv/.ready-dev.
set -eu
name="$1"
cd "$(dirname "$0")/.."
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
export UV_NO_PROGRESS=1
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME CONDA_PREFIX || true
uv="$(sh scripts/uv.sh)"

# A checkout that was moved or copied: its scripts point to the old place.
here="$(pwd -P)"
if [ "$(cat .venv/.checkout 2>/dev/null || true)" != "$here" ] || ! .venv/bin/python -c '' 2>/dev/null; then
  python="$(sh scripts/python.sh "$uv")"
  if ! "$uv" venv -q --clear --python "$python" .venv; then
    echo "setup: no Python 3.12, 3.13 or 3.14 found, and none could be downloaded." >&2
    echo "       Install one (apt install python3.12, pyenv install 3.12, ...) or, where downloads go through a mirror," >&2
    echo "       set UV_PYTHON_INSTALL_MIRROR; then run make again." >&2
    exit 1
  fi
  printf '%s' "$here" > .venv/.checkout
fi

# `sync` takes away what the other list alone names: its stamp is void until we are through.
rm -f .venv/.ready-run .venv/.ready-dev
retry() { "$@" || { echo "setup: trying once more" >&2; sleep 2; "$@"; }; }
failed() {
  echo "setup: could not install requirements/$name.txt. Is the package registry reachable? A proxy or mirror is set in" >&2
  echo "       HTTPS_PROXY or UV_INDEX_URL, a private certificate authority in SSL_CERT_FILE." >&2
  exit 1
}
retry "$uv" pip sync -q --python .venv/bin/python --require-hashes "requirements/$name.txt" || failed
retry "$uv" pip install -q --python .venv/bin/python --no-deps --build-constraints requirements/build.txt -e . || failed
touch .venv/.ready-run
if [ "$name" = dev ]; then touch .venv/.ready-dev; fi
