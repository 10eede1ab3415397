package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// Overview is what a first page shows of all gateways that one may see. Members who are
// no viewers get the figures of what they made themselves.
type Overview struct {
	Gateways GatewayCounts `json:"gateways"`
	Live     LiveCounts    `json:"live"`
	// Attention lists what somebody should look at, the most urgent first, at most 100.
	Attention []Attention `json:"attention"`
	// AttentionTotal counts all there is to look at.
	AttentionTotal int `json:"attentionTotal"`
	// Usage has the last 14 days, the oldest first, today included.
	Usage []DayUsage `json:"usage"`
	// Tokens and Users are those whose sessions and batches used the most vCore-hours in
	// these days, at most 10 each.
	Tokens []TokenUsage `json:"tokens"`
	Users  []UserUsage  `json:"users"`
}

// GatewayCounts counts gateways.
type GatewayCounts struct {
	Total int `json:"total"`
	// ByState has a number for each state that some gateway is in, in lower case.
	ByState map[string]int `json:"byState"`
}

// LiveCounts counts the sessions and batches that have not ended.
type LiveCounts struct {
	Sessions int `json:"sessions"`
	Batches  int `json:"batches"`
}

func (n *LiveCounts) add(kind string) {
	if kind == "session" {
		n.Sessions++
	} else {
		n.Batches++
	}
}

// The kinds of Attention, the most urgent first.
const (
	attentionError   = "error"
	attentionRestart = "restart-needed"
	attentionToken   = "token-expiring"
	attentionFinding = "finding"
)

var attentionKinds = []string{attentionError, attentionRestart, attentionToken, attentionFinding}

// Attention is something that somebody should look at.
type Attention struct {
	// Kind is "error" for a gateway that does not run as it should, "restart-needed" for
	// settings that its server was not started with, "token-expiring" for a token that
	// ends within 7 days, and "finding" for what a setting does not do.
	Kind string `json:"kind"`
	Place
	Message string `json:"message"`
}

const (
	overviewDays  = 14
	maxAttention  = 100
	milliCPUHours = 1000 * 3600
	mbHours       = 1024 * 3600
)

func (c *call) overview() error {
	gateways, err := c.reached()
	if err != nil {
		return err
	}
	facts, err := c.overviews.read(c.ctx(), c.Server)
	if err != nil {
		return err
	}
	view := overviewOf{call: c, gateways: gateways, facts: facts}
	if err := view.findOwn(); err != nil {
		return err
	}
	o := Overview{Gateways: GatewayCounts{Total: len(gateways), ByState: make(map[string]int)}}
	for _, g := range gateways {
		o.Gateways.ByState[strings.ToLower(string(g.Status.State))]++
	}
	o.Live = view.live()
	o.Attention = view.attention()
	o.AttentionTotal = len(o.Attention)
	o.Attention = o.Attention[:min(maxAttention, o.AttentionTotal)]
	if err := view.usage(&o); err != nil {
		return err
	}
	return c.reply(http.StatusOK, o)
}

// overviewOf is what one caller may see of the facts.
type overviewOf struct {
	*call
	gateways map[string]*gateway.Gateway
	facts    *overviewFacts
	own      map[string]bool // ids of the caller's tokens, where they are needed
}

// findOwn reads the caller's tokens if there are gateways of which they see only what
// was made with these.
func (v *overviewOf) findOwn() (err error) {
	for _, g := range v.gateways {
		if v.reachIn(g.Workspace) == access.Own {
			v.own, err = v.allOwnTokens()
			return err
		}
	}
	return nil
}

// shows reports whether the caller sees what was made with a token of a gateway.
func (v *overviewOf) shows(gatewayID, tokenID string) bool {
	g := v.gateways[gatewayID]
	return g != nil && (v.reachIn(g.Workspace) == access.All || v.own[tokenID])
}

func (v *overviewOf) live() (n LiveCounts) {
	for id, records := range v.facts.living {
		for _, r := range records {
			if v.shows(id, r.TokenID) {
				n.add(r.Kind)
			}
		}
	}
	return n
}

func (v *overviewOf) attention() []Attention {
	list := []Attention{}
	for id, found := range v.facts.attention {
		if v.gateways[id] != nil {
			list = append(list, found...)
		}
	}
	now := time.Now()
	for _, t := range v.facts.expiring {
		g := v.gateways[t.GatewayID]
		if g == nil || !now.Before(t.ExpiresAt) {
			continue
		}
		reach := v.rights.Reach(operatorOrOwn, g.Workspace)
		if reach == access.All || reach == access.Own && t.Owner == v.rights.User {
			list = append(list, Attention{
				attentionToken,
				Place{g.Workspace, g.Spec.Name},
				fmt.Sprintf("token %q (%s) expires on %s", t.Name, t.ID, t.ExpiresAt.Format("2006-01-02 15:04 MST")),
			})
		}
	}
	slices.SortFunc(list, func(a, b Attention) int {
		return cmp.Or(cmp.Compare(slices.Index(attentionKinds, a.Kind), slices.Index(attentionKinds, b.Kind)),
			cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Message, b.Message))
	})
	return list
}

// creates counts what was created on each day.
func (v *overviewOf) creates(days []DayUsage) error {
	count := func(created map[store.RecordSource][]int64) {
		for from, counts := range created {
			if v.shows(from.GatewayID, from.TokenID) {
				for i, n := range counts {
					days[i].Creates += n
				}
			}
		}
	}
	count(v.facts.created)
	created, err := v.createdByOwn()
	count(created)
	return err
}

// createdByOwn counts what was created with the caller's tokens where they see no more.
func (v *overviewOf) createdByOwn() (map[store.RecordSource][]int64, error) {
	if len(v.own) == 0 {
		return nil, nil
	}
	owned, err := v.Tokens.Owned(v.ctx(), v.rights.User)
	if err != nil {
		return nil, err
	}
	var sources []store.RecordSource
	for _, t := range owned {
		if g := v.gateways[t.GatewayID]; g != nil && v.reachIn(g.Workspace) == access.Own {
			sources = append(sources, store.RecordSource{GatewayID: t.GatewayID, TokenID: t.ID})
		}
	}
	return v.Store.CreatedPerDay(v.ctx(), sources, v.facts.days)
}
