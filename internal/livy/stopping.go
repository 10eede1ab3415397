package livy

import (
	"bytes"
	"net/http"
	"strings"
)

// errorPage is in every error page of Jetty, Livy's web server.
var errorPage = []byte("HTTP ERROR ")

// MayBeStopping reports whether a reply can be one of StoppingPage's, by its header alone.
func MayBeStopping(status int, header http.Header) bool {
	return (status == http.StatusNotFound || status == http.StatusServiceUnavailable) &&
		strings.HasPrefix(header.Get("Content-Type"), "text/html")
}

// StoppingPage reports whether a reply is a page of Livy's web server that says that Livy is not
// there: Jetty answers 404 for every path while it stops. Livy's own replies are JSON.
func StoppingPage(status int, header http.Header, body []byte) bool {
	return MayBeStopping(status, header) && bytes.Contains(body, errorPage)
}
