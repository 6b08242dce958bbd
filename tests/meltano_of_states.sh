#!/bin/sh
# Stands in for `meltano state export`: prints the states in a file of its project.
cat states.json
