#!/usr/bin/env bash
# watch.sh FOLDER PID [PID...]: ends what a run of tests has started once one of these processes is gone, however it ended.
# The first is the run's leader; the others stand above it (npm, its shell). It outlives them all, being in a session of its own.
#
# A process belongs to the run when its environment says PIXL_TEST_RUN=FOLDER, or a folder in that one (a run within the run);
# when the run has written it down (a few overwrite their environment with their title: FOLDER/**/.started holds "pid starttime"
# lines); or when it descends from one of these. Nothing else is touched. At the end the folder, which is the TMPDIR of
# all of them, is removed.
set -u
folder=$1
shift
exec {never}<> <(:) # to wait on without starting a process

start_of() { # pid: into `started` its start time, in clock ticks since boot (proc(5)); fails when it is gone, or a zombie
  local stat
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  read -ra stat <<<"${stat##*) }"
  started=${stat[19]} parent=${stat[1]}
  [[ ${stat[0]} != [ZX] ]]
}

watched=()
for pid in "$@"; do
  start_of "$pid" && watched+=("$pid $started")
done

all_there() {
  local pid since
  for one in "${watched[@]}"; do
    read -r pid since <<<"$one"
    start_of "$pid" && [ "$started" = "$since" ] || return 1
  done
}

while [ ${#watched[@]} = $# ] && all_there; do read -rt 0.5 -u "$never"; done

mark="PIXL_TEST_RUN=$(sed 's/[][\.*^$+?(){}|]/\\&/g' <<<"$folder")"
members() { # the run's processes
  local -A found=()
  local file pid since grown
  while read -r file; do
    file=${file#/proc/}
    found[${file%%/*}]=1
  done < <(grep -lszE "^$mark(/|\$)" /proc/[0-9]*/environ)
  while read -r pid since; do
    start_of "$pid" && [ "$started" = "$since" ] && found[$pid]=1
  done < <(find "$folder" -maxdepth 3 -name .started -exec cat {} + 2>/dev/null)
  grown=1
  while [ $grown = 1 ]; do
    grown=0
    for pid in /proc/[0-9]*; do
      pid=${pid#/proc/}
      [ -z "${found[$pid]:-}" ] && start_of "$pid" && [ -n "${found[$parent]:-}" ] && found[$pid]=1 && grown=1
    done
  done
  unset "found[$$]"
  for pid in "${!found[@]}"; do start_of "$pid" && echo "$pid"; done
}

end() { # signal
  local pid any=1
  for pid in $(members); do
    kill "-$1" "$pid" 2>/dev/null
    any=0
  done
  return $any
}

# In order first: a PostgreSQL that is killed leaves its shared memory behind. Then what is still there, until nothing is.
if end TERM; then
  for _ in {1..5}; do
    [ -z "$(members)" ] && break
    read -rt 0.2 -u "$never"
  done
  for _ in {1..50}; do
    end KILL || break
    read -rt 0.1 -u "$never"
  done
fi
[ "${PIXL_TEST_KEEP:-}" = 1 ] || rm -rf "$folder"
