#!/usr/bin/env bash
# Sends what the warehouse wants to Bookio. Ends with 1 if either side failed, else with the code of
# target-bookio: 0 done, 3 done but records were rejected. BOOKIO_HOME is the checkout, if not this one.
# Options are given to both sides: with --config ENV, variables such as TARGET_BOOKIO_JOURNAL_PATH win.
set -u
cd "${BOOKIO_HOME:-$(dirname "$0")/..}" || exit 1
trap : TERM # the target finishes what is in flight, and its code is still reported
.venv/bin/tap-warehouse --config warehouse.json "$@" |
    .venv/bin/target-bookio --config target.json "$@" > /dev/null
codes=("${PIPESTATUS[@]}")
# The rightmost code alone, as pipefail has it, would report 3 where rows never reached the target.
if [ "${codes[0]}" -ne 0 ]; then exit 1; fi
exit "${codes[1]}"
