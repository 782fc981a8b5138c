package auth

import (
	"os"
	"slices"
	"strings"
	"testing"
)

const aProfile = `# comment
includedir /etc/krb5.conf.d/
[logging]
	default = FILE:/var/log/krb5libs.log
[libdefaults]
	default_realm = CORP.EXAMPLE
	default_ccache_name = KEYRING:persistent:%{uid}
	a line that says nothing
	dns_lookup_kdc = No
[realms]
	CORP.EXAMPLE = {
		kdc = dc1.corp.example
		kdc = dc2.corp.example:1088 ; the other
		kdc = [2001:db8::1]:88
		kdc = 2001:db8::2
		kdc = https://proxy.example/KdcProxy
		kdc = tcp/dc3.corp.example
		kdc = dc4.corp.example:notaport
		admin_server = dc1.corp.example
		v4_instance_convert = {
			kdc = not.this.one
		}
	}
	"QUOTED" = { }
	OTHER.EXAMPLE = {
		kdc = "dc.other.example"*
	}
[domain_realm]
	.corp.example = CORP.EXAMPLE
	Special.Corp.Example = OTHER.EXAMPLE
	.deep.corp.example = DEEP.EXAMPLE
[appdefaults]
	kdc = neither
`

func TestProfile(t *testing.T) {
	t.Setenv("KRB5_CONFIG", writeFile(t, "[realms]\n LOCAL = {\n kdc = first\n }\n[libdefaults]\n default_realm = LOCAL\n")+
		string(os.PathListSeparator)+writeFile(t, aProfile))
	p, err := readProfile()
	if err != nil {
		t.Fatal(err)
	}
	kdcs := p.find("corp.example")
	want := []string{"dc1.corp.example:88", "dc2.corp.example:1088", "[2001:db8::1]:88", "[2001:db8::2]:88", "dc3.corp.example:88"}
	if kdcs == nil || !slices.Equal(kdcs.kdcs, want) {
		t.Errorf("%+v", kdcs)
	}
	if r := p.find("OTHER.EXAMPLE"); r == nil || !slices.Equal(r.kdcs, []string{"dc.other.example:88"}) {
		t.Errorf("%+v", r)
	}
	if r := p.find("LOCAL"); r == nil || p.defaultRealm != "LOCAL" || !p.noDNS || p.find("neither") != nil {
		t.Errorf("%+v", p)
	}
	for host, want := range map[string]string{
		"ws-001.corp.example": "CORP.EXAMPLE", "WS-001.CORP.EXAMPLE.": "CORP.EXAMPLE", "special.corp.example": "OTHER.EXAMPLE",
		"a.deep.corp.example": "DEEP.EXAMPLE", "corp.example": "", "ws-001": "", "example": "", "": "", "192.0.2.1": "",
	} {
		if got := p.realmOfHost(host); got != want {
			t.Errorf("%s: %q; want %q", host, got, want)
		}
	}
}

func TestProfileBounds(t *testing.T) {
	var p profile
	if err := p.read(strings.NewReader("[realms]\nR = {\n" + strings.Repeat("kdc = dc\n", 100) + "}\n}\n}\n")); err != nil {
		t.Fatal(err)
	}
	if r := p.find("R"); r == nil || len(r.kdcs) != maxKDCs {
		t.Errorf("%+v", r)
	}
	for value, want := range map[string]string{":88": "", ":": "", "": "", "a b": "", "[::1]": "[::1]:88", "a:70000": "", "a:88": "a:88", "1.2.3.4": "1.2.3.4:88"} {
		if got := kdcAddress(value); got != want {
			t.Errorf("%q: %q; want %q", value, got, want)
		}
	}
}
