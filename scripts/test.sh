#!/usr/bin/env bash
# npm test: everything that must hold, once, on the Node.js that is there, from a fresh checkout on Debian: packages,
# dependencies, build, lint, unit tests, tests against the real peers. Arguments go to mocha (npm test -- --grep 'C-MOVE'); test
# files among them are run alone (npm test -- dist/test/peers/exports/ftps.test.js).
# npm run test:node -- MAJOR [arguments]: the tests alone, on another Node.js, for example 26.
# test.sh --lts [arguments]: those against peers alone, as they were built, on the newest LTS of Node.js.
# At the end what failed is said again, a line each that begins with "failed:".
# The last line is always "N passed, N failed, N skipped", over all mocha runs; a build, lint or mocha run that breaks off
# counts as one failed. Exit: 0 all passed, 1 something failed or no test ran, 2 packages are missing.
set -uo pipefail
self=$(readlink -f "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.." || exit 1
export LC_ALL=C.UTF-8 LANG=C.UTF-8
. scripts/run.sh
lead_run "$@"

work=$(mktemp -d)
policy=
trap 'if [ -n "$policy" ]; then rm -f "$policy"; fi' EXIT

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

other_node= # the major of the Node.js that the tests are to run on, or lts
if [ "${1:-}" = --node ]; then
  other_node=${2:?--node needs a major version, for example 26}
  shift 2
elif [ "${1:-}" = --lts ]; then
  other_node=lts
  shift
fi

passed=0 failed=0 skipped=0
finish() {
  cat "$work"/*.failures 2>/dev/null | sed 's/^/failed: /'
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
  exit
}
step() { # what command...: says what failed and counts it
  local what=$1
  shift
  interruptible "$@" && return 0
  say "$what failed"
  echo "$what" >>"$work/steps.failures"
  failed=$((failed + 1))
  return 1
}

# ---- dependencies: where others are installed than the lock file says
step 'npm ci' node scripts/ready.mjs --packages || finish

# ---- build from nothing, so that no test of a file that is gone is run; the compiler is the type check
if [ "$other_node" != lts ]; then
  rm -rf dist
  step 'the build' npm run --silent build || finish
fi

# ---- tests. How long waits may take follows from how slow this machine is: measured once, before it is busy.
patience=$(node -e 'import("./dist/test/support/patience.js").then(({ slowness }) => console.log(slowness().toFixed(2)))')
export PIXL_TEST_PATIENCE=$patience
say "waits have $patience times the patience of a quick machine"

# Most tests wait for a peer most of the time, so there are more lanes than processors.
# The files of test/peers as mocha runs, each with a name and the patterns of those that no run before it has. Those that take long
# come first, so that all lanes end at about the same time.
groups=(
  'commands bin/*'
  'stops journeys/@(stops|trouble).*'
  'faults faults/*'
  'journeys journeys/*'
  'rates rate/*|politeness/*|cohort/*'
  'queues queue/*|db/*|dimse/*'
  'exports exports/*'
  'others *'
)
lanes=$((2 * $(nproc) + 1))
shopt -s extglob globstar
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
  measured "$name" env PIXL_TEST_SUMMARY="$work/$name.json" timeout -k 30 3600 node node_modules/mocha/bin/mocha.js \
    --reporter dist/test/support/summary-reporter.js "$@"
}

measured() { # name command...: its output with the name before each line; its status and what it took go to files of that name
  local name=$1 status stat from=$SECONDS
  shift
  "$@" 2>&1 | sed -u "s/^/$name: /"
  status=${PIPESTATUS[0]}
  # proc(5): processor time of those children that have ended, and of theirs, in hundredths of a second
  read -ra stat <"/proc/$BASHPID/stat"
  echo "$(((stat[15] + stat[16]) / 100)) s of processor time, $((SECONDS - from)) s" >"$work/$name.took"
  echo "$status" >"$work/$name.status"
}

lint() { # name: counted as a mocha run is, one failed or nothing
  local name=$1 failed=0
  measured "$name" npm run --silent lint
  if [ "$(cat "$work/$name.status")" != 0 ]; then
    failed=1
    echo "$name" >"$work/$name.failures"
  fi
  echo "{\"passed\":0,\"failed\":$failed,\"skipped\":0}" >"$work/$name.json"
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
    say "$1: ${BASH_REMATCH[1]} passed, ${BASH_REMATCH[2]} failed; $(cat "$work/$1.took")"
  else
    say "the $1 run broke off (exit ${status:-unknown})"
    echo "the $1 run broke off" >>"$work/steps.failures"
    failed=$((failed + 1))
  fi
}

all_peers() { # mocha's arguments...: all groups
  local group name patterns path file
  local -A of=()
  for path in dist/test/peers/**/*.test.js; do
    file=${path#dist/test/peers/}
    for group in "${groups[@]}"; do
      read -r name patterns <<<"$group"
      if [[ $file == @($patterns) ]]; then
        of[$name]+=" $path"
        break
      fi
    done
  done
  for group in "${groups[@]}"; do
    read -r name patterns <<<"$group"
    # shellcheck disable=SC2086 # our own file names
    launch run_mocha "$name" --no-config "${common[@]}" "$@" ${of[$name]}
  done
}

use_node() { # major
  local folder
  folder=$(bash scripts/fetch-node.sh "$1") || return 1
  PATH=$folder:$PATH
  say "on Node.js $(node -p process.versions.node)"
}

files=0
for argument in "$@"; do
  if [[ $argument == *.test.js ]]; then files=1; fi
done
common=(--require dist/test/support/leak-check.js --forbid-only --forbid-pending)

node_major=$other_node
if [ "$other_node" = lts ]; then
  node_major=$(npm view "node-linux-$(node -p process.arch)" time --json | node scripts/newest-lts.mjs)
fi
if [ -n "$other_node" ]; then
  use_node "$node_major" || { say "fetching Node.js $node_major failed"; failed=1; finish; }
else
  launch lint lint
fi
if [ "$files" = 1 ]; then # a configuration would add its own files
  launch run_mocha files --no-config "${common[@]}" "$@"
else
  if [ "$other_node" != lts ]; then launch run_mocha unit --config .mocharc.unit.json "$@"; fi
  all_peers "$@"
fi
wait
for name in "${names[@]}"; do count "$name"; done
finish
