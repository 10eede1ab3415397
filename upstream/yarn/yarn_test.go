package yarn

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestWhere(t *testing.T) {
	for _, tt := range []struct {
		name, proxy string
		conf        map[string]string
		web         []string
	}{
		{"an address", "", map[string]string{"yarn.resourcemanager.webapp.address": "rm:1"}, []string{"http://rm:1"}},
		{"a host", "", map[string]string{"yarn.resourcemanager.hostname": "rm"}, []string{"http://rm:8088"}},
		{"by reference", "", map[string]string{
			"yarn.resourcemanager.hostname": "rm", "yarn.resourcemanager.webapp.address": "${yarn.resourcemanager.hostname}:9",
		}, []string{"http://rm:9"}},
		{"HTTPS", "https://p:2", map[string]string{
			"yarn.http.policy": "HTTPS_ONLY", "yarn.resourcemanager.hostname": "rm", "yarn.web-proxy.address": "p:2",
		}, []string{"https://rm:8090"}},
		{"two", "", map[string]string{
			"yarn.resourcemanager.ha.enabled": "true", "yarn.resourcemanager.ha.rm-ids": "rm1, rm2",
			"yarn.resourcemanager.hostname.rm1": "a", "yarn.resourcemanager.webapp.address.rm2": "b:1",
		}, []string{"http://a:8088", "http://b:1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			for key, value := range tt.conf {
				fmt.Fprintf(&b, "<property><name>%s</name><value> %s </value></property>", key, value)
			}
			c, err := Read(writeSite(t, b.String()))
			if err != nil || !slices.Equal(c.web, tt.web) || c.proxy != tt.proxy {
				t.Errorf("%+v, %v; want %q, %q", c, err, tt.web, tt.proxy)
			}
		})
	}
}

func writeSite(t *testing.T, properties string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "yarn-site.xml"), []byte("<configuration>"+properties+"</configuration>"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadRefuses(t *testing.T) {
	if _, err := Read(t.TempDir()); gateway.KindOf(err) != gateway.KindInvalid {
		t.Errorf("no file: %v", err)
	}
	if _, err := Read(writeSite(t, "<property>")); gateway.KindOf(err) != gateway.KindInvalid {
		t.Errorf("no XML: %v", err)
	}
}

func TestApplication(t *testing.T) {
	standby := httptest.NewServer(http.RedirectHandler("http://elsewhere.invalid/", http.StatusTemporaryRedirect))
	t.Cleanup(standby.Close)
	var asked []string
	active := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		switch r.URL.Path {
		case "/ws/v1/cluster/apps/application_1_1":
			fmt.Fprint(w, `{"app":{"id":"application_1_1","state":"RUNNING","applicationTags":"a,livygateway.gateway:lc-1","trackingUrl":"http://evil/"}}`)
		case "/ws/v1/cluster/apps/application_1_2":
			fmt.Fprint(w, `{"app":{"id":"application_1_1","state":"RUNNING"}}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"RemoteException":{"exception":"NotFoundException"}}`)
		}
	}))
	t.Cleanup(active.Close)
	c := &Cluster{web: []string{"http://127.0.0.1:1", standby.URL, active.URL}}
	app, err := c.Application(t.Context(), http.DefaultTransport, "application_1_1")
	if err != nil || app.State != "RUNNING" || app.Proxy != active.URL || app.ProxyPath() != "/proxy/application_1_1" || !slices.Contains(app.Tags, "livygateway.gateway:lc-1") {
		t.Errorf("%+v, %v", app, err)
	}
	c.proxy = "http://proxy:1"
	if app, err := c.Application(t.Context(), http.DefaultTransport, "application_1_1"); err != nil || app.Proxy != c.proxy {
		t.Errorf("with a proxy of its own: %+v, %v", app, err)
	}
	asked = nil
	for id, want := range map[string]gateway.Kind{
		"application_1_9": gateway.KindNotFound, "application_1_2": gateway.KindUnavailable,
		"": gateway.KindNotFound, "local-1": gateway.KindNotFound, "application_1_1/../x": gateway.KindNotFound,
	} {
		if _, err := c.Application(t.Context(), http.DefaultTransport, id); gateway.KindOf(err) != want {
			t.Errorf("%q: %v, want %s", id, err, want)
		}
	}
	if len(asked) != 2 {
		t.Errorf("asked %q", asked)
	}
}
