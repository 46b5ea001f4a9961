#!/usr/bin/env bash
# npm run coverage [-- arguments for npm test]: which lines and branches of src the tests run, in coverage/ and as a summary. The
# daemons, commands and threads that the tests start count, too. Raw data of all peer tests take about a gigabyte in TMPDIR.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
raw=$(mktemp -d "${TMPDIR:-/tmp}/pixl-coverage-XXXXXX")
trap 'rm -rf "$raw"' EXIT
NODE_V8_COVERAGE=$raw npm test -- "$@"
status=$?
# V8 names what ran in dist; its source maps lead to src.
npx --no-install c8 report --temp-directory "$raw" --src . --exclude-after-remap --include 'src/**' --include 'dist/src/**' \
  --reporter text-summary --reporter json-summary --reporter html --reports-dir coverage || exit
exit "$status"
