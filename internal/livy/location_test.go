package livy

import "testing"

func TestPublicLocation(t *testing.T) {
	const prefix = "/api/v1/workspace/default/livycompute/etl"
	for _, tt := range []struct {
		kind           Kind
		location, want string // "" for none
	}{
		{KindSession, "/sessions/0", prefix + "/sessions/40"},
		{KindBatch, "/batches/7", prefix + "/batches/47"},
		{KindSession, "/sessions/1/statements/2", prefix + "/sessions/41/statements/2"},
		{KindSession, "/batches/0", ""},
		{KindSession, "/sessions/", ""},
		{KindSession, "/sessions/mine", ""},
		{KindSession, "http://livy:8998/sessions/0", ""},
		{KindSession, "/ui", ""},
	} {
		got, ok := PublicLocation(tt.kind, tt.location, prefix, 40)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s %s: %q, %v; want %q", tt.kind, tt.location, got, ok, tt.want)
		}
	}
}
