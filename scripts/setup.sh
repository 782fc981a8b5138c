#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are missing, saying so. Elsewhere, and without root, it says
# what it would have installed. It never fails: scripts/test.sh looks at what is there and names what it must leave out.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

missing() {
    local package _
    grep -v '^#' scripts/packages.txt | while read -r package _; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -x installed >/dev/null || echo "$package"
    done
}

# Debian starts a daemon as soon as it is installed, unless this file forbids it. The tests start their own.
forbid_daemons() {
    [[ -e /usr/sbin/policy-rc.d ]] && return
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "Not Debian: nothing is installed; scripts/packages.txt names what the tests need."
    exit 0
fi
mapfile -t packages < <(missing)
((${#packages[@]})) || exit 0
if ((EUID != 0)); then
    echo "Not root, so these Debian packages stay missing: ${packages[*]}"
    exit 0
fi
echo "Installing the Debian packages that the tests need: ${packages[*]}"
forbid_daemons
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if apt-get update >"$log" 2>&1 && apt-get install -y --no-install-recommends "${packages[@]}" >>"$log" 2>&1; then
    echo "Installed."
else
    tail -n 20 "$log"
    echo "apt-get failed; going on with what is there."
fi
rm -f "$log"
