package main

import "testing"

// TestComparePolicies: the request that is measured passes each of the policies.
func TestComparePolicies(t *testing.T) {
	if err := comparePolicies(1); err != nil {
		t.Fatal(err)
	}
}
