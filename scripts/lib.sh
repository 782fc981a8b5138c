# Shared by the scripts beside it and .ci/run, which source it. Enters the repository's root.
# shellcheck shell=bash disable=SC2034 # the sourcing scripts read "failed"
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

tally=${GPREACH_TALLY:-/dev/null} # a file of lines "PASSED FAILED", which .ci/run adds up
failed=0                          # the exit status of the sourcing script
left_out=()

# gate NAME CMD..: one thing that passes or fails; its status is CMD's.
gate() {
    printf '\n== %s\n' "$1"
    if "${@:2}"; then
        echo "1 0" >>"$tally"
        return 0
    fi
    echo "FAILED: $1"
    echo "0 1" >>"$tally"
    failed=1
    return 1
}

# leave_out WHAT WHY: remembers that this machine cannot run something.
leave_out() { left_out+=("$1: $2"); }

# tell_left_out says what was not run. Where everything is required, each is a failure.
tell_left_out() {
    ((${#left_out[@]})) || return 0
    printf '\nLEFT OUT on this machine:\n'
    printf '  %s\n' "${left_out[@]}"
    if [[ ${GPREACH_REQUIRE_ALL:-} == 1 ]]; then
        echo "FAILED: nothing may be left out here (GPREACH_REQUIRE_ALL=1)"
        printf '0 1\n%.0s' "${left_out[@]}" >>"$tally"
        failed=1
    fi
}
