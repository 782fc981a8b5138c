//go:build lab && linux

package auth

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
)

// A real KDC says by how much the clocks differ, and that is no fault of the
// account: the credential is not stopped. It runs in the lab, where only this package
// can shift the clock.
func TestLabClockSkew(t *testing.T) {
	dir := os.Getenv("GPREACH_LAB_DIR")
	if dir == "" {
		t.Fatal("not in a lab; see the top of lab/lab_test.go")
	}
	for shift, want := range map[time.Duration]string{
		20 * time.Minute: "This machine's clock is 20m0s ahead of the KDC's", -20 * time.Minute: "This machine's clock is 20m0s behind the KDC's",
	} {
		c, err := Read(Source{User: "gpadmin@CORP.EXAMPLE", Keytab: filepath.Join(dir, "keys", "gpadmin.keytab")})
		if err != nil {
			t.Fatal(err)
		}
		c.now = func() time.Time { return time.Now().Add(shift) }
		var refused *KDCError
		if err := c.Verify(t.Context()); !errors.As(err, &refused) || refused.Code != errorcode.KRB_AP_ERR_SKEW || refused.Stops() || c.Why() != "" {
			t.Fatalf("%v: %v, stopped %q", shift, err, c.Why())
		}
		// A second may pass meanwhile.
		if text := strings.NewReplacer("19m59s", "20m0s", "20m1s", "20m0s").Replace(refused.Text); !strings.Contains(text, want) {
			t.Errorf("%q, want %q", refused.Text, want)
		}
	}
}
