package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// removing is a Livy server that removes what it lists.
type removing struct {
	lists
	removed []string
	fail    error
}

func (l *removing) Delete(_ context.Context, kind livy.Kind, id int64) error {
	if l.fail != nil {
		return l.fail
	}
	l.removed = append(l.removed, fmt.Sprintf("%s %d", kind, id))
	l.batches = slices.DeleteFunc(l.batches, func(b livy.Batch) bool { return kind == livy.KindBatch && b.ID == id })
	return nil
}

func TestWhatARefusalLeft(t *testing.T) {
	mine := func(in *sessions.Intent) { in.Name = "mine" }
	for name, tt := range map[string]struct {
		listed  []livy.Batch
		err     error
		fail    error
		removed []string
		left    string // state and reason of the refused one's record, if it stays
	}{
		"nothing":            {},
		"what it registered": {listed: []livy.Batch{{ID: 7, Name: "mine", State: "starting"}}, removed: []string{"batch 7"}},
		"another name":       {listed: []livy.Batch{{ID: 7, Name: "yours", State: "starting"}}},
		"what has ended":     {listed: []livy.Batch{{ID: 7, Name: "mine", State: "dead"}}},
		"another one's name": {listed: []livy.Batch{{ID: 0, Name: "mine", State: "running"}}},
		"nothing was sent":   {err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}},
		"Livy says nothing":  {err: errors.New("timeout"), left: "error: Livy refused it, and may list it all the same"},
		"it cannot be removed": {
			listed: []livy.Batch{{ID: 7, Name: "mine", State: "starting"}}, fail: errors.New("timeout"),
			left: "error: Livy refused it, and may list it all the same",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.g.Status.Address = "127.0.0.1:1"
			server := &removing{lists: lists{batches: tt.listed, err: tt.err}, fail: tt.fail}
			f.SetLivy(func(*gateway.Gateway) sessions.Remover { return server })
			f.create(livy.KindBatch, 0, mine)
			before := f.total()
			in := f.intent(livy.KindBatch, mine)
			c := f.begin(in)
			c.Refused(t.Context())
			if !slices.Equal(server.removed, tt.removed) {
				t.Errorf("removed %v, want %v", server.removed, tt.removed)
			}
			if tt.left == "" {
				if f.total() != before {
					t.Errorf("%d records, want %d", f.total(), before)
				}
				return
			}
			r := f.byID(in.ID)
			if got := r.State + ": " + r.Reason; !strings.HasPrefix(got, tt.left) {
				t.Errorf("left %q, want %q", got, tt.left)
			}
			// What shows up later is known to be ours.
			server.err, server.batches = nil, []livy.Batch{{ID: 0, Name: "mine", State: "success"}, {ID: 7, Name: "mine", State: "starting"}}
			f.poll(&server.lists)
			if r := f.byID(in.ID); r.TokenID != "lctk-1" || f.total() != before+1 {
				t.Errorf("%d records, and %+v", f.total(), r)
			}
		})
	}
}

// TestPollBeforeTheRefusal: a poll finds the refused batch in Livy's list first.
func TestPollBeforeTheRefusal(t *testing.T) {
	f := newFixture(t)
	f.g.Status.Address = "127.0.0.1:1"
	in := f.intent(livy.KindBatch)
	server := &removing{lists: lists{batches: []livy.Batch{{ID: 3, Name: in.Name, State: "starting"}}}}
	f.SetLivy(func(*gateway.Gateway) sessions.Remover { return server })
	c := f.begin(in)
	f.poll(&server.lists)
	c.Refused(t.Context())
	if f.total() != 0 || len(server.removed) != 1 {
		t.Errorf("%d records, removed %v", f.total(), server.removed)
	}
	f.poll(&server.lists)
	if f.total() != 0 {
		t.Errorf("%d records after the next poll", f.total())
	}
}
