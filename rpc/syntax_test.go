package rpc

import "testing"

// The interfaces as their specifications name them.
func TestSyntaxes(t *testing.T) {
	tests := []struct {
		syntax Syntax
		want   string
	}{
		{EndpointMapper, "e1af8308-5d1f-11c9-91a4-08002b14a0fa v3.0"},
		{EventLog, "f6beaff7-1e19-4fbb-9f8f-b89e2018337c v1.0"},
		{EventLogPipe, "82273fdc-e32a-18c3-3f78-827929dc23ea v0.0"},
		{TaskScheduler, "86d35949-83c9-4044-b424-db363231fd0c v1.0"},
		{ObjectExporter, "99fcfec4-5260-101b-bbcb-00aa0021347a v0.0"},
		{RemUnknown2, "00000143-0000-0000-c000-000000000046 v0.0"},
		{RemoteActivator, "000001a0-0000-0000-c000-000000000046 v0.0"},
		{WMILogin, "f309ad18-d86a-11d0-a075-00c04fb68820 v0.0"},
		{NDR20, "8a885d04-1ceb-11c9-9fe8-08002b104860 v2.0"},
	}
	for _, tt := range tests {
		if got := tt.syntax.String(); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
