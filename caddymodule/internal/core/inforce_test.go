package core

import "testing"

// TestReplaced: the channel is closed with the next configuration that is put into force, and
// not before.
func TestReplaced(t *testing.T) {
	ended := func(ch <-chan struct{}) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
	first := Replaced()
	if ended(first) {
		t.Fatal("nothing was put into force yet")
	}
	before := SetInForce(&Config{})
	second := Replaced()
	if !ended(first) || ended(second) {
		t.Errorf("after one configuration: %v and %v", ended(first), ended(second))
	}
	SetInForce(before)
	if !ended(second) {
		t.Error("a rollback is not noticed")
	}
}
