//go:build unix

package auth

import (
	"strings"
	"testing"
)

// Off Windows the current user's tickets are in the file that KRB5CCNAME names, or
// else krb5.conf.
func TestDefaultCCache(t *testing.T) {
	k := newFakeKDC(t)
	file := writeFile(t, string(*cacheOf(t, k, "krbtgt/CORP.EXAMPLE")))
	for _, tt := range []struct{ variable, profile, want string }{
		{file, "", ""},
		{"FILE:" + file, "", ""},
		{"", "FILE:" + file, ""},
		{"KEYRING:persistent:0", "FILE:" + file, "(KRB5CCNAME): a ccache of that kind cannot be used: only FILE"},
		{"", "KCM:", "(the default place): a ccache of that kind cannot be used: only FILE"},
		{"", file + "_%{uid}", "(the default place): the ccache cannot be used: no such file"},
		{file + "x", "", "(KRB5CCNAME): the ccache cannot be used: no such file or directory; kinit makes one, with KRB5CCNAME=FILE:PATH"},
	} {
		t.Setenv("KRB5_CONFIG", writeFile(t, "[libdefaults]\ndefault_ccache_name = "+tt.profile+"\n"))
		t.Setenv("KRB5CCNAME", tt.variable)
		c, err := Read(Source{CurrentUser: true})
		switch {
		case tt.want == "" && (err != nil || c.User() != "alice@CORP.EXAMPLE" || c.OfSession() || c.HasNTLM()):
			t.Errorf("%+v: %v, %v", tt, c, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
