#!/usr/bin/env bash
# A smoke test of gpreach.exe and of what it asks of SSPI, under wine: bash scripts/wine.sh WINE
# No domain is there, so it goes as far as Windows' own answers do. Debian's wine lacks a DLL that Go's runtime wants,
# so one is made.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wine=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export WINEPREFIX=$dir/prefix WINEDEBUG=-all WINEARCH=win64 USERDNSDOMAIN=''

cat >"$dir/prng.c" <<'END'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE p, SIZE_T n) { return SystemFunction036(p, (ULONG)n); }
END
x86_64-w64-mingw32-gcc -shared -o "$dir/bcryptprimitives.dll" "$dir/prng.c" -ladvapi32
CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go test -c -o "$dir/sspi.test.exe" ./internal/sspi
CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build -o "$dir/gpreach.exe" ./cmd/gpreach
timeout 120 "$wine" cmd /c exit >/dev/null 2>&1 || true # makes the prefix
cp "$dir/bcryptprimitives.dll" "$WINEPREFIX/drive_c/windows/system32/"

status=0
tested=$(timeout 120 "$wine" "$dir/sspi.test.exe" -test.v) || status=$?
grep -v '^ *--- PASS\|^=== ' <<<"$tested"
((status == 0))
if command -v ntlm_auth >/dev/null && [[ $tested == *"--- SKIP"* ]]; then
    echo "with ntlm_auth, nothing may be left out" >&2
    exit 1
fi
said=$(timeout 120 "$wine" "$dir/gpreach.exe" check 127.0.0.1 --current-user 2>&1) || status=$?
echo "$said"
[[ $status == 4 && $said == *"no host was probed: Windows finds no domain controller"* ]]
