#!/usr/bin/env bash
# make test: sets up what is missing, then runs every test that this machine can run, and names those it cannot.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

bash scripts/setup.sh
gate "go vet" go vet -tags lab,bench,tools,browser ./...
gate "the test counter" go -C .tools test ./tally
go -C .tools build -o bin/tally ./tally || exit 1

# go_test [WRAPPER..] -- ARGS..: runs go test, each test counted, output shown of those that fail.
go_test() {
    local wrapper=(env)
    while [[ $1 != -- ]]; do wrapper+=("$1"); shift; done
    printf '\n== go test %s\n' "${*:2}"
    "${wrapper[@]}" .tools/bin/tally go test -json "$race" "${@:2}" || failed=1
}

# The race detector needs cgo, so a C compiler; gpreach itself is always built without.
race=-race
export CGO_ENABLED=1
if ! go build -race net >/dev/null 2>&1; then
    leave_out "the race detector" "go build -race does not work here; the tests ran without it"
    race=-race=false
    export CGO_ENABLED=0
fi
go_test -- ./...

missing_for_tools() {
    local command
    for command in promtool systemd-analyze; do
        command -v "$command" >/dev/null || { echo "no $command"; return; }
    done
}

why=$(missing_for_tools)
if [[ -n $why ]]; then
    leave_out "what promtool and systemd-analyze say of deploy/" "$why"
else
    go_test -- -tags tools -count=1 -run '^(TestPromtool|TestSystemd)' ./deploy
fi

missing_for_lab() {
    local command
    [[ $(uname) == Linux ]] || { echo "needs Linux"; return; }
    ((EUID == 0)) || { echo "needs root"; return; }
    for command in ip unshare samba samba-tool rpcclient kinit nft prometheus promtool nmap tshark; do
        command -v "$command" >/dev/null || { echo "no $command"; return; }
    done
    [[ -e /dev/net/tun ]] || { echo "no /dev/net/tun"; return; }
    /usr/bin/python3 -c 'import impacket' 2>/dev/null || { echo "no impacket"; return; }
    unshare --net --mount --pid --fork --mount-proc true 2>/dev/null || echo "may not create namespaces"
}

run_lab() {
    export GPREACH_LAB=${GPREACH_LAB:-gpreach-$$}
    gate "the lab's domain controller comes up" lab/samba-dc.sh up || return
    trap 'lab/samba-dc.sh down' EXIT
    go_test lab/samba-dc.sh exec -- -tags lab -count=1 ./lab/...
    go_test lab/samba-dc.sh exec -- -tags lab -count=1 -run '^TestLab' ./internal/auth ./secure
}

why=$(missing_for_lab)
if [[ -n $why ]]; then
    leave_out "the tests against a Samba domain controller, nftables, nmap, tshark and Prometheus" "$why"
else
    run_lab
fi
missing_for_browser() {
    local command
    for command in node npm chromium; do
        command -v "$command" >/dev/null || { echo "no $command"; return; }
    done
    (($(node -p 'process.versions.node.split(".")[0]') >= 20)) || echo "node is older than 20"
}

install_browser_tools() { npm ci --prefix internal/page/_browser --silent --no-progress; }
check_scripts() { npm run --prefix internal/page/_browser --silent types; }
run_browser() {
    gate "the page's test tools" install_browser_tools || return
    gate "the page's scripts have the types that they say" check_scripts
    gate "the page's test server" go test -tags browser "$race" -c -o bin/page.test ./internal/page || return
    printf '\n== the page in Chromium\n'
    GPREACH_PAGE_TEST=$PWD/bin/page.test GPREACH_CHROMIUM=$(command -v chromium) \
        npm run --prefix internal/page/_browser --silent test || failed=1
}

why=$(missing_for_browser)
if [[ -n $why ]]; then
    leave_out "the tests of the page in Chromium" "$why"
else
    run_browser
fi
# Wine is no part of what is required: it is large, and shows little of a real domain member.
wine=$(command -v wine64 || command -v /usr/lib/wine/wine64)
if [[ -n $wine ]] && command -v x86_64-w64-mingw32-gcc >/dev/null; then
    gate "gpreach.exe and SSPI under wine" bash scripts/wine.sh "$wine"
else
    printf '\nNo wine, or no x86_64-w64-mingw32-gcc: gpreach.exe is built and vetted, but not run.\n'
fi
[[ -e ../shared/data ]] || printf '\nNo recordings of a real Windows beside this checkout (../shared/data): the tests that replay them had nothing to do.\n'
tell_left_out
exit "$failed"
