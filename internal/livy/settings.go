package livy

import (
	_ "embed"
	"strings"
)

//go:embed settings.txt
var settingsText string

// Settings are the names of the settings that Livy 0.8.0 reads from livy.conf and
// livy-client.conf, old ones included, in order.
var Settings = strings.Fields(settingsText)
