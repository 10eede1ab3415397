package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestADeletionThatTakesLonger(t *testing.T) {
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"spec":{"name":"etl"},"status":{"state":"Deleting","reason":"stopping the Livy server"}}`)
	}))
	defer admin.Close()
	w := &world{t: t, address: strings.TrimPrefix(admin.URL, "http://")}
	out, errs, code := w.run("gateway delete etl --yes")
	if code != exitTimeout || out != "" || !strings.Contains(errs, "still being deleted (stopping the Livy server)") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
}
