package process

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// Livy has no authentication, and a server listens on a loopback address, to which any process
// on the machine can connect. If each server has its own user, the kernel's packet filter
// allows only root and that user to connect to the user's address: to its Livy, and to the
// drivers next to it. One nftables table does that for all servers. Like them it outlives
// Caddy, and it is removed with the last of them.

// guardEvery is the pause between two checks of the table: reloading a firewall may remove it.
const guardEvery = 30 * time.Second

// guard is the nftables table.
type guard struct {
	name string
	uids []uint32 // sorted; each has its address
}

// guardOf returns the guard of a state directory.
func guardOf(stateDir string, uids []uint32) guard {
	h := fnv.New32a()
	_, _ = h.Write([]byte(stateDir))
	return guard{name: fmt.Sprintf("livygateway-%08x", h.Sum32()), uids: uids}
}

func (g guard) table() *nftables.Table {
	return &nftables.Table{Name: g.name, Family: nftables.TableFamilyIPv4}
}

// chain returns the chain. Its name depends on the users, so that an outdated table is detected.
func (g guard) chain() *nftables.Chain {
	h := fnv.New64a()
	for _, uid := range g.uids {
		_, _ = h.Write(binaryutil.BigEndian.PutUint32(uid))
	}
	accept := nftables.ChainPolicyAccept
	return &nftables.Chain{
		Name: fmt.Sprintf("output-%016x", h.Sum64()), Table: g.table(), Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter, Policy: &accept,
	}
}

// present reports whether the table exists and is up to date.
func (g guard) present() (bool, error) {
	c, err := nftables.New()
	if err != nil {
		return false, err
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	if err != nil {
		return false, err
	}
	want := g.chain()
	for _, chain := range chains {
		if chain.Table.Name == g.name && chain.Name == want.Name {
			rules, err := c.GetRules(want.Table, want)
			return len(rules) == len(g.rules("", "")), err
		}
	}
	return false, nil
}

// install creates the table, atomically replacing an existing one.
func (g guard) install() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	table := g.table()
	c.AddTable(table) // so that the deletion cannot fail
	c.DelTable(table)
	c.AddTable(table)
	own := &nftables.Set{
		Table: table, Name: "own", Concatenation: true,
		KeyType: nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeUID),
	}
	addresses := &nftables.Set{Table: table, Name: "addresses", KeyType: nftables.TypeIPAddr}
	var pairs, single []nftables.SetElement
	for _, uid := range g.uids {
		address := loopback(uid).AsSlice()
		single = append(single, nftables.SetElement{Key: address})
		pairs = append(pairs, nftables.SetElement{Key: slices.Concat(address,
			binaryutil.NativeEndian.PutUint32(uid))})
	}
	if err := errors.Join(c.AddSet(own, pairs), c.AddSet(addresses, single)); err != nil {
		return err
	}
	chain := c.AddChain(g.chain())
	for _, exprs := range g.rules(own.Name, addresses.Name) {
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: exprs})
	}
	return c.Flush()
}

// remove removes the table.
func (g guard) remove() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	c.DelTable(g.table())
	return c.Flush()
}

// rules returns the rules of the chain. They check only the first packet of a connection:
// others, such as the kernel's own reply that nothing listens, have no user.
func (g guard) rules(own, addresses string) [][]expr.Any {
	const r1, r2 = unix.NFT_REG32_00, unix.NFT_REG32_01
	accept := &expr.Verdict{Kind: expr.VerdictAccept}
	destination := &expr.Payload{DestRegister: r1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
	is := func(op expr.CmpOp, data ...byte) expr.Any { return &expr.Cmp{Op: op, Register: r1, Data: data} }
	return [][]expr.Any{
		{ // ip daddr != 127.128.0.0/9 accept
			destination,
			&expr.Bitwise{
				SourceRegister: r1, DestRegister: r1, Len: 4, Mask: []byte{255, 128, 0, 0},
				Xor: make([]byte, 4),
			},
			is(expr.CmpOpNeq, 127, 128, 0, 0), accept,
		},
		{ // meta l4proto != tcp accept
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: r1}, is(expr.CmpOpNeq, unix.IPPROTO_TCP), accept,
		},
		{ // tcp flags & (syn | ack) != syn accept
			&expr.Payload{DestRegister: r1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
			&expr.Bitwise{SourceRegister: r1, DestRegister: r1, Len: 1, Mask: []byte{0x12}, Xor: []byte{0}},
			is(expr.CmpOpNeq, 0x02), accept,
		},
		{ // meta skuid 0 accept
			&expr.Meta{Key: expr.MetaKeySKUID, Register: r1}, is(expr.CmpOpEq, 0, 0, 0, 0), accept,
		},
		{ // ip daddr . meta skuid @own accept
			destination, &expr.Meta{Key: expr.MetaKeySKUID, Register: r2}, &expr.Lookup{
				SourceRegister: r1,
				SetName:        own,
			}, accept,
		},
		{ // ip daddr @addresses reject with tcp reset
			destination, &expr.Lookup{
				SourceRegister: r1,
				SetName:        addresses,
			}, &expr.Reject{Type: unix.NFT_REJECT_TCP_RST},
		},
	}
}

// guarded returns the guard for the users of the configuration and those of servers that were
// started under an earlier one. The caller holds r.mu.
func (r *Runtime) guarded() guard {
	uids := r.notedUsers("")
	for _, a := range r.pool {
		uids[a.uid()] = true
	}
	return guardOf(r.opts.StateDir, slices.SortedFunc(maps.Keys(uids), cmp.Compare[uint32]))
}

// keepGuard makes sure that the guard is installed. It logs once if that is impossible. It
// checks at most every guardEvery unless now is set.
func (r *Runtime) keepGuard(now bool) {
	if len(r.pool) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.opts.Now()
	if !now && at.Sub(r.guardSeen) < guardEvery {
		return
	}
	r.guardSeen = at
	g := r.guarded()
	there, err := g.present()
	if err == nil && there {
		return
	}
	if err == nil {
		err = g.install()
	}
	if err != nil {
		r.unguarded.Do(func() {
			r.logger.Warn("cannot set the kernel's packet filter: every process on this machine can access each "+
				"gateway's Livy server; run caddy livy doctor", zap.Error(err))
		})
		return
	}
	r.logger.Info("restricted the Livy servers' addresses to their users and root",
		zap.String("table", g.name), zap.Int("users", len(g.uids)))
}

// dropGuard removes the guard when no server is left.
func (r *Runtime) dropGuard() {
	if len(r.pool) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.taken) > 0 || len(r.notedUsers("")) > 0 {
		return
	}
	// It may not exist.
	if err := r.guarded().remove(); err == nil {
		r.logger.Info("removed the restriction of the Livy servers' addresses: none of them runs")
	}
}
