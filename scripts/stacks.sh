#!/bin/sh
# Makes .stacks/NAME what requirements/stacks/NAME.txt says, for the tests: a release of Llama Stack or OGX in an environment
# of its own, which holds this checkout as well, for the release also runs inside our process. Usage: scripts/stacks.sh NAME…
# One that is up to date costs nothing. What is downloaded is checked against hashes, the build backend's too.
set -eu
cd "$(dirname "$0")/.."
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
export UV_NO_PROGRESS=1
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME CONDA_PREFIX || true

retry() { "$@" || { echo "stacks: trying once more" >&2; sleep 2; "$@"; }; }
failed() {
  echo "stacks: could not install $1. Is the package registry reachable? A proxy or mirror is set in" >&2
  echo "        HTTPS_PROXY or UV_INDEX_URL, a private certificate authority in SSL_CERT_FILE." >&2
  exit 1
}

# What an environment was made of, and where: its scripts point to that place.
made_of() { { pwd -P; cat scripts/stacks.sh pyproject.toml requirements/build.txt "$1"; } | cksum; }

for name in "$@"; do
  lock="requirements/stacks/$name.txt"
  place=".stacks/$name"
  if [ ! -f "$lock" ]; then
    echo "stacks: there is no $lock" >&2
    exit 1
  fi
  wanted="$(made_of "$lock")"
  if [ "$(cat "$place/.ready" 2>/dev/null || true)" = "$wanted" ] && "$place/bin/python" -c '' 2>/dev/null; then continue; fi
  echo "stacks: installing $name"
  uv="$(sh scripts/uv.sh)"
  rm -f "$place/.ready"
  if [ "$(cat "$place/.checkout" 2>/dev/null || true)" != "$(pwd -P)" ] || ! "$place/bin/python" -c '' 2>/dev/null; then
    python="$(sh scripts/python.sh "$uv")"
    "$uv" venv -q --clear --python "$python" "$place" || failed "$name"
    pwd -P > "$place/.checkout"
  fi
  retry "$uv" pip sync -q --python "$place/bin/python" --require-hashes "$lock" || failed "$name"
  retry "$uv" pip install -q --python "$place/bin/python" --no-deps --build-constraints requirements/build.txt -e . ||
    failed "this checkout beside $name"
  echo "$wanted" > "$place/.ready"
done
