#!/usr/bin/env bash
# make bench: measures gpreach against a simulated fleet, in a network namespace of its own. Arguments go to the test
# binary, to run something else of bench/ there.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

missing_for_bench() {
    local command
    [[ $(uname) == Linux ]] || { echo "needs Linux"; return; }
    ((EUID == 0)) || { echo "needs root"; return; }
    for command in ip nft prlimit sysctl; do
        command -v "$command" >/dev/null || { echo "no $command"; return; }
    done
    unshare --net true 2>/dev/null || echo "may not create namespaces"
}

# The fleet has every address of 10.128.0.0/9. The client has one of its own, else each connection would come from
# the address that it goes to, and no two hosts would compete for its ports.
namespace_up() {
    ip netns add "$ns" &&
        ip -n "$ns" link set lo up &&
        ip -n "$ns" addr add 10.0.0.1/32 dev lo &&
        ip -n "$ns" route add local 10.128.0.0/9 dev lo src 10.0.0.1 &&
        ip netns exec "$ns" sysctl -qw net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535 \
            net.ipv4.ip_local_port_range='1024 65000'
}

bench() {
    ns=gpreach-bench-$$
    TMPDIR=$(mktemp -d) || return
    export TMPDIR GPREACH_BENCH_PROGRAM=$PWD/bin/gpreach
    trap 'ip netns del "$ns" 2>/dev/null; rm -rf "$TMPDIR"' EXIT
    namespace_up && ip netns exec "$ns" bin/bench.test "$@"
}

why=$(missing_for_bench)
if [[ -n $why ]]; then
    leave_out "the figures against a simulated fleet" "$why"
    tell_left_out
    exit "$failed"
fi
(($#)) || set -- -test.run '^TestFigures$' -test.v
export CGO_ENABLED=0
make build && go test -c -tags bench -o bin/bench.test ./bench && bench "$@"
