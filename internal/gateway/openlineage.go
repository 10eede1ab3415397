package gateway

import (
	"net/url"
	"strings"
)

// OpenLineage is where jobs report their lineage. The listener that reports it must be part of the
// engine.
type OpenLineage struct {
	// The address of the OpenLineage backend, e.g. `https://lineage.example.com`.
	URL string `json:"url"`

	// The namespace of the jobs. Default: that of the listener, `default`.
	Namespace string `json:"namespace,omitempty"`
}

// Validate checks the address.
func (o *OpenLineage) Validate() error {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		u.RawQuery != "" || u.Fragment != "" {
		// The URL may have a password.
		return Invalid("open_lineage", "", "must be an http or https URL without a password, a query or a fragment")
	}
	if strings.ContainsFunc(o.Namespace, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Invalid("open_lineage: namespace", o.Namespace, "must not have control characters")
	}
	return nil
}

// Conf returns the Spark settings for jobs, none if o is nil.
func (o *OpenLineage) Conf() map[string]string {
	if o == nil {
		return nil
	}
	conf := map[string]string{
		"spark.openlineage.transport.type": "http",
		"spark.openlineage.transport.url":  o.URL,
	}
	if o.Namespace != "" {
		conf["spark.openlineage.namespace"] = o.Namespace
	}
	return conf
}
