#!/usr/bin/env bash
# Stands in for Meltano: notes what it is asked to do, and fails for the state id that FAILING names.
echo "${TAP_BOOKIO_FACILITY_IDS:-all} $*" >> meltano.log
[[ "$*" != *"--state-id=${FAILING:-none}"* ]]
