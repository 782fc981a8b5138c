#!/usr/bin/env bash
# make lint: golangci-lint and gofumpt, at the versions of .tools/go.mod, built once into .tools/bin.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_tools() {
    [[ .tools/bin/golangci-lint -nt .tools/go.sum && .tools/bin/gofumpt -nt .tools/go.sum ]] && return
    echo "Building the linters; the first time takes minutes."
    mkdir -p .tools/bin && CGO_ENABLED=0 GOBIN=$PWD/.tools/bin go -C .tools install tool || return
    touch .tools/bin/golangci-lint .tools/bin/gofumpt # "go install" leaves what is up to date alone
}

formatted() {
    local files
    files=$(.tools/bin/gofumpt -l . .tools/tally) || return
    [[ -z $files ]] || { printf 'gofumpt would change:\n%s\n' "$files"; return 1; }
}

gate "linters build" build_tools || exit 1
gate "gofumpt" formatted
gate "golangci-lint" .tools/bin/golangci-lint run
exit "$failed"
