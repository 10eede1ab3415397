package kubeapi

import "time"

// Stale is how long what a watch told is believed after the watch has broken.
const Stale = 20 * time.Second

// Watched is what a Follower knows of its watch. The follower's lock guards it.
type Watched struct {
	// Listed is set once the pods have been listed.
	Listed bool
	// Broken is since when there is no watch; zero if there is one.
	Broken time.Time
	// Failure is why there is none.
	Failure error
	// Changed is closed with the next change.
	Changed chan struct{}
}

// NewWatched returns the state before the first watch.
func NewWatched() Watched { return Watched{Broken: time.Now(), Changed: make(chan struct{})} }

// Note is for Follower.Watching.
func (w *Watched) Note(err error) {
	w.Failure = err
	switch {
	case err == nil:
		w.Broken = time.Time{}
	case w.Broken.IsZero():
		w.Broken = time.Now()
	}
	w.Signal()
}

// Signal wakes those who wait for a change.
func (w *Watched) Signal() {
	close(w.Changed)
	w.Changed = make(chan struct{})
}

// Fresh reports whether what is known can be believed.
func (w *Watched) Fresh() bool { return w.Broken.IsZero() || time.Since(w.Broken) < Stale }
