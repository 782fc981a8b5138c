"""Fills the lab's fresh directory with accounts, computers and DNS records, and writes their keytabs.

    populate.py FOLDER    as root in Samba's world, before Samba starts; the keytabs go to FOLDER

The passwords are those of a throwaway domain that nobody outside the lab can reach; they protect nothing. A test gets
them from the environment: lab/samba-dc.sh exec.
"""
import os
import sys

import ldb
from samba import dckeytab, dsdb  # noqa: F401 - dckeytab gives Net its export_keytab
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dcerpc import dnsp
from samba.ndr import ndr_pack
from samba.net import Net
from samba.param import LoadParm
from samba.samdb import SamDB

BASE = "DC=corp,DC=example"
DNS = "corp.example"
NORMAL, DISABLED, FOREVER, MACHINE = 0x200, 0x2, 0x10000, 0x1000
AES = "24"  # msDS-SupportedEncryptionTypes: AES128 and AES256
COMPUTERS = range(1, 41)  # WS-001 to WS-040
NEVER = str(0x7FFFFFFFFFFFFFFF)
HASHES = f"local_oid:{dsdb.DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID}:0"  # what is stored of a password may be set

lp = LoadParm()
lp.load_default()
db = SamDB(url=lp.samdb_url(), session_info=system_session(), lp=lp)


def quoted(password):
    return f'"{password}"'.encode("utf-16-le")


def modify(dn, flag=ldb.FLAG_MOD_REPLACE, controls=(), **values):
    message = ldb.Message(ldb.Dn(db, dn))
    for name, value in values.items():
        message[name] = ldb.MessageElement(value, flag, name.replace("_", "-"))
    db.modify(message, list(controls))


def policy():
    """Five wrong passwords within 30 minutes lock an account for 30 minutes. No password grows old."""
    minutes = -60 * 10**7
    modify(BASE, lockoutThreshold="5", lockoutDuration=str(30 * minutes), lockOutObservationWindow=str(30 * minutes),
           maxPwdAge="0", minPwdAge="0")


def user(name, password, account=NORMAL | FOREVER, **more):
    dn = f"CN={name},CN=Users,{BASE}"
    db.add({"dn": dn, "objectClass": "user", "sAMAccountName": name, "userPrincipalName": f"{name}@{DNS}",
            "unicodePwd": quoted(password), "userAccountControl": str(account), **more})
    return dn


def users(passwords):
    gpadmin = user("gpadmin", passwords["gpadmin"])
    for group in ("Event Log Readers", "Distributed COM Users"):
        modify(f"CN={group},CN=Builtin,{BASE}", ldb.FLAG_MOD_ADD, member=gpadmin)
    user("lowpriv", passwords["lowpriv"])
    user("lockme", passwords["lockme"])
    other = passwords["other"]
    user("disabled", other, NORMAL | FOREVER | DISABLED)
    user("expired", other, accountExpires="116444736000000000")  # 1970
    user("mustchange", other, NORMAL, pwdLastSet="0")
    user("offhours", other, logonHours=bytes(21))  # in no hour of the week
    locked = user("locked", other)
    # Locked, and in 9999 still: the cache may keep this directory for long.
    modify(locked, controls=["relax:0"], lockoutTime="2650467743990000000")
    # An account from before AES: the hash alone, as an old domain's upgrade leaves it.
    rc4only = user("rc4only", other)
    modify(rc4only, ldb.FLAG_MOD_DELETE, ["relax:0", HASHES], supplementalCredentials=[])


def record(address):
    r = dnsp.DnssrvRpcRecord()
    r.wType, r.data, r.rank, r.dwTtlSeconds, r.dwSerial = dnsp.DNS_TYPE_A, address, dnsp.DNS_RANK_ZONE, 60, 1
    return ndr_pack(r)


def computer(number, **more):
    name = f"ws-{number:03}"
    full = f"{name}.{DNS}"
    db.add({"dn": f"CN={name.upper()},CN=Computers,{BASE}", "objectClass": "computer",
            "sAMAccountName": f"{name.upper()}$", "userAccountControl": str(MACHINE), "dNSHostName": full,
            "servicePrincipalName": [f"HOST/{name.upper()}", f"HOST/{full}"],
            # Each its own: with a common one, a ticket for one host would open another.
            "unicodePwd": quoted(f"Machine-{number:03}-of-the-lab!"), **more})
    db.add({"dn": f"DC={name},DC={DNS},CN=MicrosoftDNS,DC=DomainDnsZones,{BASE}", "objectClass": "dnsNode",
            "dnsRecord": [record(f"10.77.0.{100 + number}")]})


def computers():
    """They take AES tickets, but for WS-009 and WS-010, which were never told: theirs are RC4."""
    for number in COMPUTERS:
        computer(number, **({} if number in (9, 10) else {"msDS-SupportedEncryptionTypes": AES}))


def crowd():
    """crowd-0001 to crowd-1000 are the domain controller under other names, each a service with tickets of its own."""
    names = [f"crowd-{number:04}" for number in range(1, 1001)]
    modify(f"CN=DC1,OU=Domain Controllers,{BASE}", ldb.FLAG_MOD_ADD,
           servicePrincipalName=[f"HOST/{name}.{DNS}" for name in names])
    for name in names:
        db.add({"dn": f"DC={name},DC={DNS},CN=MicrosoftDNS,DC=DomainDnsZones,{BASE}", "objectClass": "dnsNode",
                "dnsRecord": [record("10.77.0.10")]})


def keytabs(folder):
    os.makedirs(folder, mode=0o700)
    credentials = Credentials()
    credentials.guess(lp)
    net = Net(credentials, lp)

    def export(file, principal):
        net.export_keytab(keytab=os.path.join(folder, file), principal=principal)

    for number in COMPUTERS:
        name = f"ws-{number:03}"
        for principal in (f"host/{name}.{DNS}", f"cifs/{name}.{DNS}", f"{name.upper()}$"):
            export("hosts.keytab", principal)
    for name in ("gpadmin", "rc4only"):
        export(f"{name}.keytab", name)
    for file in os.listdir(folder):
        os.chmod(os.path.join(folder, file), 0o600)


db.transaction_start()
policy()
users({name: os.environ[f"GPREACH_LAB_PASSWORD_{name.upper()}"] for name in ("gpadmin", "lowpriv", "lockme", "other")})
computers()
crowd()
db.transaction_commit()
keytabs(sys.argv[1])
