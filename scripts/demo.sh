#!/usr/bin/env bash
# npm run demo: not there yet, and says so.
cat >&2 <<'TEXT'
The demo on embedded parts (no broker, no database, no archive to install) is not there yet.

To see the service work now, run its tests against real peers, which they install and start by themselves on Debian:

    npm test
TEXT
exit 1
