#!/usr/bin/env bash
# npm run demo: installs, builds, and shows the whole job on embedded parts. Needs Node.js alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# As npm test does: again when the lock file is another than the one that was installed.
stamp=node_modules/.pixl-lock-sha256
lock=$(node -p "require('node:crypto').createHash('sha256').update(require('node:fs').readFileSync('package-lock.json')).digest('hex')")
if [ -L node_modules ]; then
  echo 'demo: node_modules is a link: left as it is' >&2
elif [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
  echo 'demo: installing' >&2
  npm ci --no-audit --no-fund --loglevel=error
  echo "$lock" >"$stamp"
fi
echo 'demo: building' >&2
npm run --silent build
exec node dist/bin/pixl-imaging.js demo "$@"
