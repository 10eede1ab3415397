package gateway

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestHistoryServer(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ url, logs, local, forSpark, wrong string }{
		{url: "http://127.0.0.1:18080"},
		{url: "https://history/", logs: "hdfs:///events", forSpark: "hdfs:///events"},
		{url: "http://h", logs: dir, local: dir, forSpark: "file:" + dir},
		{url: "http://h", logs: "file:" + dir, local: dir, forSpark: "file:" + dir},
		{url: "http://h", logs: "file://" + dir, local: dir, forSpark: "file://" + dir},
		{wrong: "is required"},
		{url: "history:18080", wrong: "http://HOST:PORT"},
		{url: "http://h/x", wrong: "http://HOST:PORT"},
		{url: "http://user:secret@h", wrong: "http://HOST:PORT"},
		{url: "http://h", logs: "events", wrong: "absolute path"},
		{url: "http://h", logs: "/a b", wrong: "absolute path"},
		{url: "http://h", logs: filepath.Join(dir, "none"), wrong: "must be an existing directory"},
	} {
		h := HistoryServer{URL: tt.url, EventLogs: tt.logs}
		err := h.Validate()
		if tt.wrong != "" {
			if KindOf(err) != KindInvalid || !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%+v: %v, want %q", h, err, tt.wrong)
			}
			continue
		}
		if err != nil || h.LocalDir() != tt.local || h.EventLogDir() != tt.forSpark {
			t.Errorf("%+v: %v, directory %q, %q", h, err, h.LocalDir(), h.EventLogDir())
		}
	}
}
