#!/bin/sh
# The matrix without GitHub: every cell on this machine, one after the other, and one table of all.
#   ci/matrix.sh [MATRIX.yaml [OPTION...]]       such as: ci/matrix.sh ci/matrix.yaml --failed
set -eu
file=${1:-ci/matrix.yaml}
[ $# -eq 0 ] || shift
exec smi-conformance matrix run "$file" "$@"
