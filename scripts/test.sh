#!/usr/bin/env bash
# npm test: everything that must hold, from a fresh checkout on Debian: packages, dependencies, build, lint, unit tests,
# tests against the real peers, and some of these again on the newest LTS of Node.js. Arguments go to mocha
# (npm test -- --grep 'C-MOVE'); test files among them are run alone (npm test -- dist/test/peers/exports/ftps.test.js).
# npm run test:node -- MAJOR [arguments]: the tests alone, on another Node.js, for example 24.
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

only_node=
if [ "${1:-}" = --node ]; then
  only_node=${2:?--node needs a major version, for example 24}
  shift 2
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

# ---- tests. Most of them wait for a peer most of the time, so there are more lanes than processors.
newest_lts=24
# The folders of test/peers as mocha runs, the longest first, so that all lanes end at about the same time; "others" is what is
# in none of them.
groups=(faults journeys 'bin|cohort' others 'politeness|rate' 'db|dimse|queue' exports)
lanes=$((2 * $(nproc) + 1))
names=() # of the runs, in the order in which they are counted

launch() { # function name arguments...: the run of that name, beside what is running, as soon as a lane is free
  while [ "$(jobs -rp | wc -l)" -ge "$lanes" ]; do wait -n; done
  names+=("$2")
  "$@" &
}

run_mocha() { # name mocha's arguments...: its output with the name before each line; the counts go to a file of that name
  local name=$1
  shift
  say "$name tests"
  # A run that does not end is a failure too, and not one to wait for.
  PIXL_TEST_SUMMARY=$work/$name.json timeout -k 30 1200 node node_modules/mocha/bin/mocha.js \
    --reporter dist/test/support/summary-reporter.js "$@" 2>&1 | sed -u "s/^/$name: /"
  echo "${PIPESTATUS[0]}" >"$work/$name.status"
}

peers() { # name group mocha's arguments...: what is in that group of folders
  local name=$1 group=$2 all='dist/test/peers' listed
  shift 2
  if [ "$group" = others ]; then
    listed=$(IFS='|' && echo "${groups[*]}")
    set -- --ignore "$all/@(${listed/others|/})/**" "$@"
  else
    set -- --ignore "$all/!($group)/**" --ignore "$all/*.test.js" "$@"
  fi
  run_mocha "$name" --config .mocharc.peers.json "$@"
}

lint() { # name: counted as a mocha run is, one failed or nothing
  local name=$1 failed=0
  npm run --silent lint 2>&1 | sed -u "s/^/$name: /"
  if [ "${PIPESTATUS[0]}" != 0 ]; then failed=1; fi
  echo "{\"passed\":0,\"failed\":$failed,\"skipped\":0}" >"$work/$name.json"
  echo "$failed" >"$work/$name.status"
}

count() { # name: adds up what the run of that name counted
  local counts status
  counts=$(cat "$work/$1.json" 2>/dev/null)
  status=$(cat "$work/$1.status" 2>/dev/null)
  if [[ $counts =~ \"passed\":([0-9]+),\"failed\":([0-9]+),\"skipped\":([0-9]+) ]]; then
    passed=$((passed + BASH_REMATCH[1])) skipped=$((skipped + BASH_REMATCH[3]))
    # forbidPending: mocha's status is not 0 although no test failed
    if [ "$status" != 0 ] && [ "${BASH_REMATCH[2]}" = 0 ]; then failed=$((failed + 1)); fi
    failed=$((failed + BASH_REMATCH[2]))
  else
    say "the $1 run broke off (exit ${status:-unknown})"
    failed=$((failed + 1))
  fi
}

whole() { # folder-of-another-node-or-nothing mocha's arguments...: all tests, and those against peers on that one again
  local other=$1 group name
  shift
  launch run_mocha unit --config .mocharc.unit.json "$@"
  for group in "${groups[@]}"; do
    name=${group//|/-}
    launch peers "$name" "$group" "$@"
    if [ -n "$other" ]; then PATH=$other:$PATH launch peers "$name-node-$newest_lts" "$group" "$@"; fi
  done
}

fetched= # the folder of the Node.js that was fetched last
fetch_node() { # major
  fetched=$(bash scripts/fetch-node.sh "$1") && say "Node.js $("$fetched/node" -p process.versions.node) is there"
}

files=0
for argument in "$@"; do
  if [[ $argument == *.test.js ]]; then files=1; fi
done
set -o noglob # patterns are mocha's to read

if [ -n "$only_node" ]; then
  step "fetching Node.js $only_node" fetch_node "$only_node" || finish
  PATH=$fetched:$PATH
else
  launch lint lint
fi
if [ "$files" = 1 ]; then # a configuration would add its own files
  launch run_mocha files --no-config --require dist/test/support/leak-check.js --timeout 120000 --forbid-only --forbid-pending "$@"
elif [ -n "$only_node" ]; then
  whole '' "$@"
else
  step "fetching Node.js $newest_lts" fetch_node "$newest_lts" || fetched=
  whole "$fetched" "$@"
fi
wait
for name in "${names[@]}"; do count "$name"; done
finish
