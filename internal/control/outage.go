package control

import (
	"strings"
	"sync"
	"unicode"
)

// outage keeps what fails again and again from being logged each time: once when it begins
// or becomes another failure, and once when it is over.
type outage struct {
	mu   sync.Mutex
	said string
}

// begins reports whether a failure is to be logged.
func (o *outage) begins(err error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	// Ports and times differ from one try to the next.
	text := strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, err.Error())
	is := text != o.said
	o.said = text
	return is
}

// ends reports whether it is to be logged that all is well again.
func (o *outage) ends() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.said != ""
	o.said = ""
	return was
}
