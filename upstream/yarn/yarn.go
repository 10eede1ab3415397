// Package yarn queries a YARN ResourceManager for applications. It finds the ResourceManager
// in yarn-site.xml.
package yarn

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Cluster holds the addresses of a YARN cluster.
type Cluster struct {
	// web holds the URLs of the ResourceManagers' web pages, several if there are
	// standbys.
	web []string
	// proxy is the URL of the proxy for the applications' own pages; "" if the
	// ResourceManager is the proxy.
	proxy string
}

// Read reads a directory with the cluster's client configuration. Errors are of
// gateway.KindInvalid.
func Read(confDir string) (*Cluster, error) {
	file := filepath.Join(confDir, "yarn-site.xml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "reading the cluster's configuration", err)
	}
	var site struct {
		Properties []struct {
			Name  string `xml:"name"`
			Value string `xml:"value"`
		} `xml:"property"`
	}
	if err := xml.Unmarshal(text, &site); err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "reading "+file, err)
	}
	conf := make(map[string]string)
	for _, p := range site.Properties {
		conf[strings.TrimSpace(p.Name)] = strings.TrimSpace(p.Value)
	}
	return fromConf(conf), nil
}

func fromConf(conf map[string]string) *Cluster {
	const rm = "yarn.resourcemanager."
	scheme, key, port := "http", rm+"webapp.address", "8088"
	if conf["yarn.http.policy"] == "HTTPS_ONLY" {
		scheme, key, port = "https", rm+"webapp.https.address", "8090"
	}
	ids := []string{""}
	if conf[rm+"ha.enabled"] == "true" && conf[rm+"ha.rm-ids"] != "" {
		ids = nil
		for id := range strings.SplitSeq(conf[rm+"ha.rm-ids"], ",") {
			ids = append(ids, "."+strings.TrimSpace(id))
		}
	}
	c := new(Cluster)
	for _, id := range ids {
		host := conf[rm+"hostname"+id]
		if host == "" {
			host = "localhost"
		}
		address := conf[key+id]
		if address == "" {
			address = net.JoinHostPort(host, port)
		}
		address = strings.ReplaceAll(address, "${"+rm+"hostname"+id+"}", host)
		c.web = append(c.web, scheme+"://"+address)
	}
	if address := conf["yarn.web-proxy.address"]; address != "" {
		c.proxy = scheme + "://" + address
	}
	return c
}

// Application is the ResourceManager's report of an application.
type Application struct {
	ID string `json:"id"`
	// State is NEW, SUBMITTED, ACCEPTED, RUNNING, FINISHED, FAILED, KILLED, ...
	State string `json:"state"`
	// Tags are the application's tags, in lower case.
	Tags []string `json:"-"`
	// Proxy is the URL of the cluster's proxy, which serves the application's own pages
	// below ProxyPath. They can be reached through the proxy only.
	Proxy string `json:"-"`
}

// ProxyPath returns the path of the application's pages on the cluster's proxy.
func (a *Application) ProxyPath() string { return "/proxy/" + a.ID }

var idPattern = regexp.MustCompile(`^application_[0-9]{1,20}_[0-9]{1,10}$`)

// Application returns an application by its id. The error is of gateway.KindNotFound if YARN
// does not know it, and of KindUnavailable if no ResourceManager answers.
func (c *Cluster) Application(ctx context.Context, client http.RoundTripper, id string) (*Application, error) {
	if !idPattern.MatchString(id) {
		return nil, gateway.Errorf(gateway.KindNotFound, "%q is not the id of a YARN application", id)
	}
	var failures []error
	for _, web := range c.web {
		app, err := ask(ctx, client, web, id)
		if err == nil {
			app.Proxy = web
			if c.proxy != "" {
				app.Proxy = c.proxy
			}
			return app, nil
		}
		if gateway.KindOf(err) == gateway.KindNotFound {
			return nil, err
		}
		failures = append(failures, err) // a standby, or unreachable
	}
	return nil, gateway.Wrap(gateway.KindUnavailable, "asking YARN for application "+id, errors.Join(failures...))
}

// maxReport bounds a report of the ResourceManager.
const maxReport = 1 << 20

func ask(ctx context.Context, client http.RoundTripper, web, id string) (*Application, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, web+"/ws/v1/cluster/apps/"+id, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body := http.MaxBytesReader(nil, res.Body, maxReport)
	var report struct {
		App *struct {
			Application
			ApplicationTags string `json:"applicationTags"`
		} `json:"app"`
	}
	err = json.NewDecoder(body).Decode(&report)
	switch {
	case err == nil && res.StatusCode == http.StatusOK && report.App != nil && report.App.ID == id:
		app := report.App.Application
		app.Tags = strings.Split(report.App.ApplicationTags, ",")
		return &app, nil
	case err == nil && res.StatusCode == http.StatusNotFound:
		return nil, gateway.Errorf(gateway.KindNotFound, "YARN does not know application %s", id)
	default:
		return nil, fmt.Errorf("%s answered %d", web, res.StatusCode)
	}
}
