# Sourced, in the project's folder, by what starts tests (scripts/test.sh and .ci/run; their path is in `self`): makes the script
# the leader of a run, see scripts/watch.sh.

above() { # the processes above the script up to npm, when npm started it: a killed npm takes nothing with it. Other signals npm hands
  # on to its shell, which has to be this script by then (package.json: exec): a dash that waits for a child passes over SIGINT
  local pid=$PPID name list=()
  [ -n "${npm_lifecycle_event:-}" ] || return 0
  for _ in 1 2 3; do
    list+=("$pid")
    read -r name <"/proc/$pid/comm"
    if [[ $name == npm* ]]; then
      echo "${list[@]}"
      return 0
    fi
    pid=$(ps -o ppid= -p "$pid")
    pid=${pid// /}
  done
}

lead_run() { # the script's arguments: starts it again, in the same process, as the leader of a run; then does nothing
  local folder name=pixl-run-XXXXXX
  if [ "${PIXL_TEST_LEADER:-}" = $$ ]; then return 0; fi
  # A run within a run has a short name: the path of a socket in it may have 107 characters (unix(7)).
  if [ -n "${PIXL_TEST_RUN:-}" ]; then name=rXXXX; fi
  folder=$(mktemp -d "${TMPDIR:-/tmp}/$name") && chmod 711 "$folder" || exit 1
  # shellcheck disable=SC2046 # words on purpose
  PIXL_TEST_RUN='' setsid bash scripts/watch.sh "$folder" $$ $(above) </dev/null >/dev/null 2>&1 &
  exec env PIXL_TEST_LEADER=$$ PIXL_TEST_RUN="$folder" TMPDIR="$folder" bash "$self" "$@"
}

interruptible() { # command...: in the background, so that a signal to this script is heard at once
  "$@" &
  wait $!
}

trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
