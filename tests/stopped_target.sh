#!/bin/sh
# Stands for a target-bookio that is stopped: at SIGTERM it finishes its work, and ends with 3.
trap 'sleep 0.5; exit 3' TERM
cat > /dev/null
touch started
while :; do sleep 0.1; done
