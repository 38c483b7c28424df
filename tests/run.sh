#!/usr/bin/env bash
# Sets up if need be, then runs lint, types and all tests; arguments are passed to pytest.
set -u

CDPATH=''
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck source=common/setup/environment.sh
. common/setup/environment.sh || exit 1

choose_python --extra dev
trap - INT TERM HUP

# A test process a core, each with one thread; more than eight only wait for one another's disk.
export OMP_NUM_THREADS=1
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
workers=$((cores > 8 ? 8 : cores))

failed=''
check() {
    printf '== %s\n' "$*"
    "$PYTHON" -m "$@" || failed="${failed:+$failed, }$*"
}
check ruff check
check ruff format --check
check mypy
printf '== pytest\n'
"$PYTHON" -m pytest -n "$workers" --dist worksteal "$@"
status=$?
if [ -n "$failed" ]; then
    printf 'pytest ended with status %d, but these failed before it: %s\n' "$status" "$failed" >&2
    [ "$status" -ne 0 ] || status=1
fi
exit "$status"
