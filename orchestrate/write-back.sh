#!/usr/bin/env bash
# Writes the changes that the warehouse wants to Bookio: pipes tap-warehouse into target-bookio.
# Exits with 1 if either of them failed, otherwise with target-bookio's code: 0 for done, 3 for done
# with rejected records. BOOKIO_HOME is the checkout, by default the one that contains this script.
# Options go to both programs: with --config ENV, variables such as TARGET_BOOKIO_JOURNAL_PATH win.
set -u
cd "${BOOKIO_HOME:-$(dirname "$0")/..}" || exit 1
trap : TERM # stay until the target has finished what is in flight, and report its code
.venv/bin/tap-warehouse --config warehouse.json "$@" |
    .venv/bin/target-bookio --config target.json "$@" > /dev/null
codes=("${PIPESTATUS[@]}")
# With pipefail the code of the rightmost failure wins: 3, even if the tap failed half-way.
if [ "${codes[0]}" -ne 0 ]; then exit 1; fi
exit "${codes[1]}"
