#!/usr/bin/env bash
# load.sh [command...]: two processes that compute and one that writes and syncs, beside a command or until Ctrl-C. It stands for
# a slow machine, and for one that is busy with something else: scripts/load.sh npm test
set -uo pipefail
self=$(readlink -f "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.." || exit 1
. scripts/run.sh
lead_run "$@"

compute() { while :; do :; done; }
write() { while :; do dd if=/dev/zero of="$PIXL_TEST_RUN/load" bs=1M count=64 conv=fsync status=none; done; }

compute &
compute &
write &
trap 'kill $(jobs -p) 2>/dev/null' EXIT
if [ $# = 0 ]; then wait; else interruptible "$@"; fi
