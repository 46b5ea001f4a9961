#!/usr/bin/env bash
# npm test: everything that must hold, from a fresh checkout on Debian: packages, dependencies, build, lint, unit tests,
# tests against the real peers. Arguments go to mocha (npm test -- --grep 'C-MOVE').
# The last line is always "N passed, N failed, N skipped", over all mocha runs; a build, lint or mocha run that breaks off
# counts as one failed. Exit: 0 all passed, 1 something failed or no test ran, 2 packages are missing.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export LC_ALL=C.UTF-8 LANG=C.UTF-8

work=$(mktemp -d "${TMPDIR:-/tmp}/pixl-npm-test-XXXXXX")
policy=
cleanup() {
  rm -rf "$work"
  if [ -n "$policy" ]; then rm -f "$policy"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { echo "test: $*" >&2; }

# ---- Debian packages: the peers that the tests start (as their own processes, never as system services)
have() {
  case $1 in
    dcmtk) command -v dcmqrscp && command -v dcmsend ;;
    orthanc) command -v Orthanc || [ -x /usr/sbin/Orthanc ] ;;
    rabbitmq-server) [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ;;
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' ;;
    proftpd-core) command -v proftpd || [ -x /usr/sbin/proftpd ] ;;
    proftpd-mod-crypto) [ -e /usr/lib/proftpd/mod_tls.so ] ;;
    libgdcm-tools) command -v gdcmconv ;;
    python3-pika | python3-jsonpickle) /usr/bin/python3 -c "import ${1#python3-}" ;; # Debian's interpreter, whatever else there is
    *) command -v "${1%-server}-server" || command -v "$1" ;;
  esac >/dev/null 2>&1
}

missing() {
  local package
  for package in dcmtk orthanc rabbitmq-server postgresql proftpd-core proftpd-mod-crypto curl openssl libgdcm-tools unzip redis-server python3-pika python3-jsonpickle; do
    have "$package" || echo "$package"
  done
}

install() {
  local log=$work/apt.log
  if [ ! -e /usr/sbin/policy-rc.d ]; then # a package's service is not to be started
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  local get=(apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@")
  "${get[@]}" >"$log" 2>&1 || { apt-get -qq -o DPkg::Lock::Timeout=300 update >>"$log" 2>&1 && "${get[@]}" >>"$log" 2>&1; } || tail -n 20 "$log" >&2
  if [ -n "$policy" ]; then rm -f "$policy" && policy=; fi
}

mapfile -t lacking < <(missing)
if [ ${#lacking[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "installing ${lacking[*]}"
  install "${lacking[@]}"
  mapfile -t lacking < <(missing)
fi
if [ ${#lacking[@]} -gt 0 ]; then
  say "missing: ${lacking[*]}"
  say "as root: apt-get install --no-install-recommends ${lacking[*]}"
  exit 2
fi

passed=0 failed=0 skipped=0
finish() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
  exit
}
step() { # what command...: says what failed and counts it
  local what=$1
  shift
  "$@" && return 0
  say "$what failed"
  failed=$((failed + 1))
  return 1
}

# ---- dependencies: again when the lock file is another than the one that was installed
stamp=node_modules/.pixl-lock-sha256
lock=$(sha256sum package-lock.json | cut -d' ' -f1)
if [ -L node_modules ]; then
  say 'node_modules is a link: left as it is'
elif [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
  step 'npm ci' npm ci --no-audit --no-fund --loglevel=error || finish
  echo "$lock" >"$stamp"
fi

# ---- build from nothing, so that no test of a file that is gone is run; the compiler is the type check
rm -rf dist
step 'the build' npm run --silent build || finish
step 'the lint' npm run --silent lint || true

# ---- tests
run_mocha() { # name config args...
  local name=$1 config=$2 counts
  shift 2
  export PIXL_TEST_SUMMARY=$work/$name.json
  say "$name tests"
  # A run that does not end is a failure too, and not one to wait for.
  timeout -k 30 1200 node node_modules/mocha/bin/mocha.js --config "$config" --reporter dist/test/support/summary-reporter.js "$@"
  local status=$?
  counts=$(cat "$PIXL_TEST_SUMMARY" 2>/dev/null)
  if [[ $counts =~ \"passed\":([0-9]+),\"failed\":([0-9]+),\"skipped\":([0-9]+) ]]; then
    passed=$((passed + BASH_REMATCH[1])) skipped=$((skipped + BASH_REMATCH[3]))
    # forbidPending: mocha's status is not 0 although no test failed
    if [ "$status" != 0 ] && [ "${BASH_REMATCH[2]}" = 0 ]; then failed=$((failed + 1)); fi
    failed=$((failed + BASH_REMATCH[2]))
  else
    say "the $name tests broke off (exit $status)"
    failed=$((failed + 1))
  fi
}

if [ -n "$(find dist/test -path dist/test/peers -prune -o -name '*.test.js' -print -quit)" ]; then
  run_mocha unit .mocharc.unit.json "$@"
fi
if [ -n "$(find dist/test/peers -name '*.test.js' -print -quit 2>/dev/null)" ]; then
  run_mocha peers .mocharc.peers.json "$@"
fi
finish
