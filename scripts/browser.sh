#!/bin/sh
# Sees to a Chromium for the tests of the page; says what to install where it may not do so itself.
set -u
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
for cached in "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium-*/chrome-linux*/chrome; do
  [ -x "$cached" ] && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "browser: installing chromium" >&2
  export DEBIAN_FRONTEND=noninteractive
  log="$(mktemp)"
  apt-get update -q >"$log" 2>&1 &&
    apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core >>"$log" 2>&1 && { rm -f "$log"; exit 0; }
  cat "$log" >&2
  rm -f "$log"
elif .venv/bin/python -m playwright install chromium >&2; then
  exit 0
fi
echo "browser: no Chromium. Install it: apt-get install chromium fonts-dejavu-core (as root)," >&2
echo "         or .venv/bin/python -m playwright install --with-deps chromium" >&2
[ -z "${CI:-}" ] # in CI a skipped test is a failure; elsewhere the tests of the page are skipped
