# shellcheck shell=bash
# Finds the Python that run_all.sh and tests/run.sh run with, and makes .venv where there is none.
# The scripts source this file with the repository as their working directory.

LOCK=requirements.lock
STAMP=.venv/.made-from
IMPORTS='hypothesis, matplotlib.pyplot, pandas, pydantic, pytest, scipy.stats, sklearn.datasets'
IMPORTS="$IMPORTS, torch._dynamo, torchvision, wandb, xdist"

die() { # status, message
    printf 'error: %s\n' "$2" >&2
    exit "$1"
}

# Runs a command in such a way that Ctrl-C ends it at once and the script after it. The command
# runs in the background, where bash makes it ignore Ctrl-C: the script alone decides, and sends
# SIGTERM, which run.py answers by ending its worker processes and letting go of its locks.
# With --tree it goes to the command's children too, for commands that leave them behind.
supervised=''
supervise() { # [--tree] command...
    trap 'interrupt 130' INT
    trap 'interrupt 143' TERM
    trap 'interrupt 129' HUP
    supervised=one
    if [ "$1" = --tree ]; then
        supervised=tree
        shift
    fi
    "$@" &
    wait "$!"
    local status=$?
    supervised=''
    return "$status"
}

end_tree() { # process
    local child children
    children=$(pgrep -P "$1" 2>/dev/null)
    kill -TERM "$1" 2>/dev/null
    for child in $children; do
        end_tree "$child"
    done
}

interrupt() { # status
    trap '' INT TERM HUP
    local child_status=0
    case $supervised in
        one) kill -TERM "$!" 2>/dev/null ;;
        tree) end_tree "$!" ;;
    esac
    if [ -n "$supervised" ]; then
        wait "$!" 2>/dev/null
        child_status=$?
    fi
    # run.py ends with 130 when it was interrupted, and has said so.
    if [ "$child_status" -ne 130 ]; then
        printf '\ninterrupted; the same command continues\n' >&2
    fi
    exit "$1"
}

new_enough() { # python
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Prints why a Python does not satisfy pyproject.toml; succeeds where it does.
satisfies() { # python, options of check.py...
    local python=$1
    shift
    if ! new_enough "$python"; then
        printf 'Python 3.11 or newer is needed'
        return 1
    fi
    "$python" common/setup/check.py --stamp build/checked-environment "$@" 2>&1
}

base_python() {
    local name
    for name in python3 python python3.13 python3.12 python3.11; do
        if new_enough "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# What .venv was made from: the lock, the project's metadata, and where it stands.
origin() {
    cat "$LOCK" pyproject.toml | cksum
    pwd
}

made() {
    [ -x .venv/bin/python ] && [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(origin)" ]
}

make_venv() {
    local base quiet=--quiet
    base=$(base_python) || die 1 'no Python 3.11 or newer found; install one and call again'
    [ -t 1 ] && quiet=--progress-bar=on
    printf 'Setting up .venv from %s with %s: once, some minutes, about 3 GB\n' "$LOCK" "$base"
    # One without pip was interrupted while it was made.
    if ! { new_enough .venv/bin/python && .venv/bin/python -c 'import pip' 2>/dev/null; }; then
        supervise --tree "$base" -m venv --clear .venv ||
            die 1 "$base could not make .venv (Debian and Ubuntu: apt install python3-venv)"
    fi
    # The lock is complete, so nothing is resolved. Of 13,000 files the project imports a part, so
    # these are compiled by importing them, even where the user has Python write no such files.
    local pip=(.venv/bin/python -m pip install --disable-pip-version-check --no-deps "$quiet")
    supervise --tree "${pip[@]}" --no-compile --requirement "$LOCK" ||
        die 1 "pip could not install $LOCK (see above); the same command tries again"
    supervise --tree "${pip[@]}" --no-build-isolation --editable . ||
        die 1 'pip could not install the project (see above); the same command tries again'
    supervise --tree env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -c "import $IMPORTS" ||
        die 1 '.venv is broken (see above); remove it and call again'
    local reason
    reason=$(satisfies .venv/bin/python --extra dev) || die 1 ".venv: $reason"
    origin >"$STAMP"
}

# Sets PYTHON: an active environment that satisfies the project, else .venv, else whatever Python
# is on the path if it satisfies the project (as in a container), else a .venv made now.
choose_python() { # options of check.py...
    local reason prefix
    for prefix in "${VIRTUAL_ENV:-}" "${CONDA_PREFIX:-}"; do
        if [ -z "$prefix" ] || [ "$prefix" = "$PWD/.venv" ]; then
            continue
        fi
        if reason=$(satisfies "$prefix/bin/python" "$@"); then
            PYTHON=$prefix/bin/python
            return
        fi
        printf 'Not using the active environment %s: %s\n' "$prefix" "$reason" >&2
    done
    PYTHON=$PWD/.venv/bin/python
    if made; then
        return
    fi
    if prefix=$(base_python) && satisfies "$prefix" "$@" >/dev/null; then
        # shellcheck disable=SC2034 # the scripts read it
        PYTHON=$prefix
        return
    fi
    make_venv
}
