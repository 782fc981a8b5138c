#!/usr/bin/env bash
# A throwaway Samba Active Directory domain controller for the tests in this folder.
#
#   lab/samba-dc.sh up          provision and start it; returns when it answers
#   lab/samba-dc.sh exec CMD..  run CMD on the GPMC machine
#   lab/samba-dc.sh down        stop it and delete all of it
#
# Two network namespaces, joined by one cable and connected to nothing else:
#
#   NAME-gpmc  10.77.0.1                  where gpreach runs; names are looked up at the DC
#   NAME-dc    10.77.0.10                 dc1.corp.example: DNS, Kerberos, LDAP, SMB, RPC
#              10.77.0.101 - 10.77.0.180  nothing listens; for simulated hosts that a test starts there
#
# The directory has users (gpadmin, lowpriv, lockme, and broken ones), computers WS-001 to WS-040 at 10.77.0.101 to 140,
# keytabs of them, and a crowd of other names of the domain controller: lab/populate.py. exec tells CMD of them by its environment:
#
#   GPREACH_LAB_DIR            the lab's files; keys/hosts.keytab, keys/gpadmin.keytab, keys/rc4only.keytab
#   GPREACH_LAB_PASSWORD_NAME  of ADMINISTRATOR, GPADMIN, LOWPRIV, LOCKME, and OTHER for all others
#   KRB5_CONFIG                for realm CORP.EXAMPLE
#
# Nobody has 10.77.0.99. There is no default route, so whatever a test sends stays here, and no link to
# the namespace of the caller, so labs with different names (GPREACH_LAB) run side by side.
#
#   GPREACH_LAB        name of the lab (gpreach); its files are in ${TMPDIR:-/tmp}/NAME
#   GPREACH_LAB_CACHE  a folder that keeps the provisioned directory from one run to the next
#
# Needs root; scripts/packages.txt names the Debian packages.
set -euo pipefail

name=${GPREACH_LAB:-gpreach}
[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$ ]] || { echo "GPREACH_LAB: not a usable name: $name" >&2; exit 2; }
gpmc=$name-gpmc
dc=$name-dc
dir=${TMPDIR:-/tmp}/$name
dc_ip=10.77.0.10
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Of a throwaway domain, which nothing outside the lab can reach: these protect nothing.
export GPREACH_LAB_PASSWORD_ADMINISTRATOR='Kestrel-Ten-Lab!'
export GPREACH_LAB_PASSWORD_GPADMIN='Plover-Eleven-Lab!'
export GPREACH_LAB_PASSWORD_LOWPRIV='Dunlin-Twelve-Lab!'
export GPREACH_LAB_PASSWORD_LOCKME='Avocet-Thirteen-Lab!' # the one whose password a test may get wrong
export GPREACH_LAB_PASSWORD_OTHER='Curlew-Fourteen-Lab!'
eventlog6=f6beaff7-1e19-4fbb-9f8f-b89e2018337c # EventLog's interface, [MS-EVEN6]

say() { echo "lab $name: $*" >&2; }
die() { say "$*"; exit 1; }
on_gpmc() { ip netns exec "$gpmc" "$@"; }
on_dc() { ip netns exec "$dc" "$@"; }

network_up() {
    local ns i
    for ns in "$gpmc" "$dc"; do
        ip netns add "$ns"
        ip -n "$ns" link set lo up
        mkdir -p "/etc/netns/$ns" # what "ip netns exec" binds over /etc
        printf '%s\n' 'search corp.example' "nameserver $dc_ip" 'options timeout:1 attempts:2' \
            >"/etc/netns/$ns/resolv.conf"
    done
    ip link add eth0 netns "$gpmc" type veth peer name eth0 netns "$dc"
    {
        echo "addr add $dc_ip/24 dev eth0"
        for i in {101..180}; do echo "addr add 10.77.0.$i/24 dev eth0"; done
        echo "link set eth0 up"
    } | ip -n "$dc" -batch -
    ip -n "$gpmc" addr add 10.77.0.1/24 dev eth0
    ip -n "$gpmc" link set eth0 up
}

network_down() {
    local ns
    for ns in "$gpmc" "$dc"; do
        ip netns del "$ns" 2>/dev/null || true
        rm -rf "/etc/netns/$ns"
    done
    rmdir /etc/netns 2>/dev/null || true
}

write_config() {
    cat >"$dir/etc/smb.conf" <<'EOF'
[global]
    server role = active directory domain controller
    realm = CORP.EXAMPLE
    workgroup = CORP
    netbios name = DC1
    interfaces = 10.77.0.10/24
    bind interfaces only = yes
    server services = s3fs rpc ldap cldap kdc winbindd dns
    dcerpc endpoint servers = +eventlog6
    eventlog list = Application Security System
    rpc server dynamic port range = 49152-49200
    server signing = mandatory
    prefork children = 1
    rpcd_classic:idle_seconds = 86400
    rpcd_winreg:idle_seconds = 86400
    dns forwarder =
    load printers = no
    disable spoolss = yes
[sysvol]
    path = /var/lib/samba/sysvol
[netlogon]
    path = /var/lib/samba/sysvol/corp.example/scripts
EOF
    cat >"$dir/krb5.conf" <<'EOF'
[libdefaults]
    default_realm = CORP.EXAMPLE
    dns_lookup_realm = false
    dns_lookup_kdc = false
    rdns = false
    udp_preference_limit = 1
[realms]
    CORP.EXAMPLE = {
        kdc = dc1.corp.example
    }
[domain_realm]
    .corp.example = CORP.EXAMPLE
EOF
}

# Runs a command on the DC as root of process and mount namespaces of its own: Samba's fixed paths lead into
# $dir, so that a Samba of the machine is neither used nor disturbed, and all it starts ends with it.
samba_world() {
    # shellcheck disable=SC2016 # the inner shell expands these
    exec ip netns exec "$dc" unshare --mount --pid --fork --mount-proc --kill-child \
        env TDB_NO_FSYNC=1 LC_ALL=C.UTF-8 bash -c '
        dir=$1; shift
        for pair in etc:/etc/samba lib:/var/lib/samba cache:/var/cache/samba log:/var/log/samba run:/run/samba; do
            mkdir -p "${pair#*:}"
            mount --bind "$dir/${pair%%:*}" "${pair#*:}"
        done
        exec "$@"' samba-world "$dir" "$@"
}

provision() {
    local archive
    archive=${GPREACH_LAB_CACHE:+$GPREACH_LAB_CACHE/$( (cat "$0" "$folder/populate.py"; samba --version) | sha256sum | cut -c1-16).tar}
    if [[ -n $archive && -s $archive ]]; then
        tar -C "$dir" --xattrs --xattrs-include='*' --acls -xpf "$archive"
        return
    fi
    (samba_world samba-tool domain provision --configfile=/etc/samba/smb.conf --server-role=dc \
        --realm=CORP.EXAMPLE --domain=CORP --host-name=DC1 --host-ip="$dc_ip" \
        --dns-backend=SAMBA_INTERNAL --adminpass="$GPREACH_LAB_PASSWORD_ADMINISTRATOR") >"$dir/log/provision.log" 2>&1
    (samba_world /usr/bin/python3 "$folder/populate.py" "$dir/keys") >"$dir/log/populate.log" 2>&1
    [[ -z $archive ]] && return
    mkdir -p "$GPREACH_LAB_CACHE"
    tar -C "$dir" --xattrs --xattrs-include='*' --acls -cpf "$archive.$$" etc lib keys
    mv "$archive.$$" "$archive"
}

answers() { on_gpmc timeout 1 bash -c "exec 3<>/dev/tcp/$dc_ip/$1" 2>/dev/null; }
resolves() { on_gpmc timeout 1 getent ahostsv4 dc1.corp.example; }
eventlog_mapped() { on_gpmc timeout 5 rpcclient -N "ncacn_ip_tcp:${dc_ip}[135]" -c epmlookup | grep -i "$eventlog6"; }

# Samba starts the processes behind a pipe when it is first opened, which takes seconds on a busy machine; by
# idle_seconds they then stay.
opens_pipe() {
    PASSWD=$GPREACH_LAB_PASSWORD_ADMINISTRATOR on_gpmc timeout 20 \
        rpcclient -U CORP/Administrator "$dc_ip" -c 'eventlog_numrecord System'
}

# wait_for CMD..: until CMD succeeds; fails after 60 s, or at once when Samba has ended
wait_for() {
    local deadline=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || die "waited 60 s in vain for: $*"
        [[ -e /proc/$(<"$dir/pid") ]] || die "samba has ended"
        sleep 0.1
    done
}

start() {
    (samba_world setsid samba --foreground --no-process-group) </dev/null >"$dir/log/start.log" 2>&1 &
    echo $! >"$dir/pid"
    wait_for answers 88
    wait_for answers 135
    wait_for answers 445
    wait_for resolves
    wait_for eventlog_mapped
    wait_for opens_pipe
}

up() {
    ((EUID == 0)) || die "needs root"
    mkdir -m 755 "$dir" 2>/dev/null || die "$dir is there already: another lab's, or take it down first"
    trap 'tail -n 20 "$dir"/log/*.log >&2; down' EXIT
    mkdir -p "$dir"/{etc,lib,cache,log,run}
    network_up
    write_config
    provision
    start
    trap - EXIT
    say "up after $SECONDS s"
}

runs_on_dc() { ip netns pids "$dc" 2>/dev/null | grep -x "${1:-none}" >/dev/null; }

down() {
    local pid i
    [[ -d $dir && -O $dir && ! -L $dir && -d $dir/log ]] || { say "not up"; return; }
    pid=$(cat "$dir/pid" 2>/dev/null || true)
    if runs_on_dc "$pid"; then
        pkill -KILL -P "$pid" || true # the first process of Samba's namespace: the others end with it, and unshare last
        for ((i = 0; i < 100; i++)); do runs_on_dc "$pid" || break; sleep 0.1; done
    fi
    network_down
    rm -rf --one-file-system "$dir"
    say "down"
}

case ${1:-} in
    up | down) "$1" ;;
    exec)
        shift
        [[ -e $dir/pid ]] || die "not up"
        GPREACH_LAB_DC_NETNS=$dc GPREACH_LAB_DIR=$dir KRB5_CONFIG=$dir/krb5.conf exec ip netns exec "$gpmc" "$@"
        ;;
    *) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
