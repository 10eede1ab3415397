package livy

import (
	_ "embed"
	"strings"
)

//go:embed settings.txt
var settingsText string

// Settings lists the settings that Livy 0.8.0 reads from livy.conf and livy-client.conf,
// including deprecated ones, in order.
var Settings = strings.Fields(settingsText)
