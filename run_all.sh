#!/usr/bin/env bash
# One command from a fresh machine to the tables: see ./run_all.sh --help.
set -u

usage() {
    cat <<'END'
usage: ./run_all.sh [--preset quick|paper] [--paper NAME] [--data-root DIR] [--jobs N]

Sets up if need be, runs a preset of every paper, and makes everything in results/ again.
What is finished is never computed again; after Ctrl-C the same command continues.

  --preset quick    small runs on data that comes with scikit-learn; minutes on two cores (default)
  --preset paper    the papers' own protocols; needs a GPU and days; downloads missing data sets
  --paper NAME      only this paper, a folder of replications/; may be given several times
  --data-root DIR   where data sets are (default: data)
  --jobs N          worker processes; auto: one a core (default: auto on a CPU, 1 with a GPU)
  --help            this text

An active conda or virtual environment is used where it satisfies pyproject.toml; otherwise .venv is
made from requirements.lock. Exit status: 0 all runs finished; 1 a run failed, the others still ran;
2 the command is wrong; 130 interrupted.
END
}

CDPATH=''
caller=$PWD
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" || exit 1
# shellcheck source=common/setup/environment.sh
. common/setup/environment.sh || exit 1

known_papers() {
    local run
    for run in replications/*/run.py; do
        [ -f "$run" ] && basename "$(dirname "$run")"
    done
}

has_gpu() {
    [ "${CUDA_VISIBLE_DEVICES-all}" != '' ] && nvidia-smi -L 2>/dev/null | grep -q '^GPU'
}

preset=quick
papers=()
jobs=''
data_root=''
while [ $# -gt 0 ]; do
    option=$1
    shift
    case $option in
        -h | --help)
            usage
            exit 0
            ;;
        --preset=* | --paper=* | --data-root=* | --jobs=*)
            value=${option#*=}
            option=${option%%=*}
            ;;
        --preset | --paper | --data-root | --jobs)
            [ $# -gt 0 ] || die 2 "$option needs a value (see --help)"
            value=$1
            shift
            ;;
        *) die 2 "unknown option '$option' (see --help)" ;;
    esac
    case $option in
        --preset)
            case $value in
                quick | paper) preset=$value ;;
                *) die 2 "--preset must be quick or paper, found '$value'" ;;
            esac
            ;;
        --paper)
            known_papers | grep -qxF -e "$value" ||
                die 2 "--paper: unknown name '$value' (known: $(known_papers | paste -sd' ' -))"
            papers+=("$value")
            ;;
        --data-root)
            [ -n "$value" ] || die 2 '--data-root needs a folder'
            case $value in
                /*) data_root=$value ;;
                *) data_root=$caller/$value ;;
            esac
            ;;
        --jobs)
            case $value in
                auto) ;;
                '' | 0* | *[!0-9]*) die 2 "--jobs must be auto or an integer above 0, found '$value'" ;;
            esac
            jobs=$value
            ;;
    esac
done

# shellcheck disable=SC2119 # no extras are needed to run
choose_python
if [ ${#papers[@]} -eq 0 ]; then
    while read -r paper; do
        papers+=("$paper")
    done < <(known_papers)
fi
arguments=(--preset "$preset")
if [ "$preset" = paper ]; then
    arguments+=(--download)
fi
if [ -n "$data_root" ]; then
    arguments+=(--data-root "$data_root")
fi
if [ -n "$jobs" ]; then
    arguments+=(--jobs "$jobs")
elif ! has_gpu; then
    arguments+=(--jobs auto)
fi

worst=0
note_status() { # status, what was run
    if [ "$1" -ne 0 ]; then
        failed="${failed:+$failed, }$2"
    fi
    if [ "$1" -gt "$worst" ]; then
        worst=$1
    fi
}

failed=''
for paper in "${papers[@]}"; do
    printf '== %s, preset %s\n' "$paper" "$preset"
    supervise "$PYTHON" "replications/$paper/run.py" "${arguments[@]}"
    status=$?
    # Somebody interrupted run.py itself: it has said so.
    [ "$status" -ne 130 ] || exit 130
    note_status "$status" "$paper"
done
printf '== results\n'
supervise "$PYTHON" -m common.results
note_status $? 'common.results'

printf '\n'
if [ -n "$failed" ]; then
    printf 'Not all went well (%s): the lines above and the records say why.\n' "$failed" >&2
fi
printf '%d min %d s. Look at\n' $((SECONDS / 60)) $((SECONDS % 60))
printf '  %s\n' 'results/report/index.html: the report, in a browser; verdicts, tables, plots, every run'
printf '  %s\n' 'results/README.md: the index of all tables, plots and verdicts as files'
for paper in "${papers[@]}"; do
    printf '  %s\n' "replications/$paper/README.md: what the paper claims and how it was replicated"
done
exit "$worst"
