// Package control manages gateways for the API, the CLI and the console. It creates,
// starts, stops and deletes gateways, keeps their Livy servers running, and provides the
// data path with the current gateways.
package control

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/events"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream"
)

// Options are the dependencies and intervals of a Manager. Zero intervals take the
// defaults given here.
type Options struct {
	Store   *store.Store
	Runtime upstream.Runtime
	Ledger  *sessions.Ledger
	Tokens  *tokens.Service
	Logger  *zap.Logger
	// HTTP is the client for Livy servers; contexts bound its requests.
	HTTP *http.Client
	Now  func() time.Time
	Rand io.Reader
	// Name is the human-readable name of this instance. Default: host name and process id.
	Name string
	// CheckpointDir is the directory of the checkpoint that shows after a restart whether Redis
	// was rolled back (see store.Checkpoint). Default: none, so that an old backup is
	// detected only if it is restored while the process runs.
	CheckpointDir string

	// PollInterval is the pause between two polls of a running Livy server and its
	// sessions. Default 3 seconds.
	PollInterval time.Duration
	// RefreshInterval is the longest time for which a missed change can go unnoticed.
	// Default 5 seconds.
	RefreshInterval time.Duration
	// MaxBackoff is the longest pause between two restarts of a Livy server that keeps
	// crashing. Default 2 minutes.
	MaxBackoff time.Duration

	// OnTransition is told when a gateway has come to another state, once for each
	// transition, by the instance that wrote it down. It must not block.
	OnTransition func(g *gateway.Gateway)
	// OnServerFailure is told when one of several servers of a gateway has failed while others
	// serve, once for each failure. It must be quick.
	OnServerFailure func(g *gateway.Gateway, server gateway.Server)
}

// Manager manages the gateways. Its methods are safe for concurrent use.
type Manager struct {
	Options
	// Events has the changes that this instance learns of.
	Events    *events.Hub
	settings  atomic.Pointer[Settings]
	snapshots snapshots
	stalls    stallDetector

	newResolved func(*resolved.Settings, gateway.Spec) *resolved.Gateway // tests count its calls
	// beforeDeletionStep lets tests interrupt a deletion.
	beforeDeletionStep func(deletionStep) error
	lastResolved       atomic.Pointer[resolution]

	leaseholder *leaseholder
	reconcilers reconcilers
	wg          sync.WaitGroup
	ctx         context.Context
	cancel      context.CancelFunc
	// leasing holds the goroutines of the leaseholder, which outlive the others.
	leasing       sync.WaitGroup
	cancelLeasing context.CancelFunc

	health    health
	pods      podAccess
	usages    sync.Map // *usage by gateway id
	spreading spreading
	// warmNotes and warmCounts are about the sessions that this instance has started ahead.
	warmNotes, warmCounts sync.Map               // by gateway id
	logins                sync.Map               // loggedIn by server id
	installed             atomic.Pointer[string] // the installation's name, once known

	declared atomic.Pointer[[]Declaration] // the gateways of the configuration in force
	declare  chan struct{}                 // signals that declared has changed

	reapSoon chan struct{} // signals that there may be orphans
	// orphansSeen has the instances of the orphans that are there; used by reap only.
	orphansSeen map[string]bool
	forgotten   chan string // ids of deleted gateways whose last log goes
	unread      outage      // failures to read all gateways
}

// Settings are the settings that an operator can change by reloading the configuration
// without restarting anything.
type Settings struct {
	resolved.Settings
	// SparkUISite is the address of the site that serves the Spark UIs of all gateways,
	// e.g. https://ui.example.com; empty if each gateway's own sites do.
	SparkUISite string
	// StartTimeout bounds the time from the start of a Livy server to its first
	// response. Default 3 minutes.
	StartTimeout time.Duration
	// UnresponsiveAfter is how long a running Livy server may be silent until requests to
	// it are refused. Default 15 seconds.
	UnresponsiveAfter time.Duration
	// RestartUnresponsive is how long it may be silent until it is restarted, which ends
	// its sessions. Default 5 minutes; negative: it is never restarted.
	RestartUnresponsive time.Duration
	// StopOnExit stops the Livy servers when the process exits; they start again with
	// the next process. Default: they keep running, and the next process adopts them.
	StopOnExit bool
	// AuditRetention is how long audit entries are kept. Default 90 days.
	AuditRetention time.Duration
	// OpenLineage is where jobs report their lineage; nil if they are not told.
	OpenLineage *gateway.OpenLineage
}

// New returns a Manager. It does nothing until Run is called.
func New(o Options) *Manager {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.HTTP == nil {
		o.HTTP = new(http.Client)
	}
	setDefault(&o.PollInterval, 3*time.Second)
	setDefault(&o.RefreshInterval, 5*time.Second)
	setDefault(&o.MaxBackoff, 2*time.Minute)
	if o.Name == "" {
		o.Name = instanceName()
	}
	m := &Manager{
		Options: o, Events: events.New(rand.Reader), newResolved: resolved.New,
		reconcilers: reconcilers{all: make(map[string]*reconciler)},
		declare:     make(chan struct{}, 1), reapSoon: make(chan struct{}, 1),
		forgotten: make(chan string, maxForgotten),
	}
	m.snapshots.onPublish = m.reportChanges
	m.leaseholder = newLeaseholder(o.Store, store.Instance{ID: instanceID(o.Rand), Name: o.Name}, o.Logger)
	m.leaseholder.candidates = m.supervisable
	m.leaseholder.gained, m.leaseholder.lost = m.startReconciler, m.stopReconciler
	m.leaseholder.onRollback, m.leaseholder.loadCheckpoint = m.rolledBack, m.loadCheckpoint
	if m.Ledger != nil {
		m.Ledger.SetLivy(func(g *gateway.Gateway) sessions.Remover { return m.Livy(g) })
		m.Ledger.SetDrivers(m)
	}
	m.Configure(Settings{})
	return m
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Settings returns the settings in force.
func (m *Manager) Settings() Settings { return *m.settings.Load() }

// Configure puts new settings into force. Running gateways keep their servers; their
// policies are compiled again.
func (m *Manager) Configure(s Settings) {
	setDefault(&s.StartTimeout, gateway.DefaultStartTimeout)
	setDefault(&s.UnresponsiveAfter, gateway.DefaultUnresponsiveAfter)
	setDefault(&s.RestartUnresponsive, gateway.DefaultRestartUnresponsive)
	setDefault(&s.AuditRetention, gateway.DefaultAuditRetention)
	m.settings.Store(&s)
	m.snapshots.recompile(m.compile)
	m.Events.Reset() // what is shown of gateways depends on the settings too
}

// Run starts keeping the snapshot of all gateways up to date, and the Livy servers of the
// gateways whose leases it gets in their desired state, until Close. It does not block.
func (m *Manager) Run() {
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.wg.Go(func() { m.followDeclarations(m.ctx) })
	m.wg.Go(func() { m.stalls.run(m.ctx) })
	kept, cancel := context.WithCancel(context.Background())
	m.cancelLeasing = cancel
	m.leasing.Go(func() { m.leaseholder.run(kept) })
	m.leasing.Go(func() { m.resolveLocation(kept) })
	m.leasing.Go(func() { m.saveCheckpoints(kept) })
	m.wg.Go(func() { m.reportUse(m.ctx) })
	m.wg.Go(func() { m.reap(m.ctx) })
	m.wg.Go(func() { m.forgetLogs(m.ctx) })
	m.wg.Go(func() { m.followRevisions(m.ctx) })
	m.wg.Go(func() {
		m.Store.Watch(m.ctx, func(e store.Event) {
			switch e.Topic {
			case store.TopicGateway:
				m.refreshOne(m.ctx, e.ID)
			case store.TopicResync:
				_ = m.refreshAll(m.ctx) // logged there, and retried
				m.leaseholder.kick()
			case store.TopicLease:
				m.leaseholder.kick()
			}
			m.reportOther(e)
		})
	})
	m.wg.Go(func() { m.trimOld(m.ctx) })
	m.wg.Go(func() { m.adoptOldKeys(m.ctx) })
	m.wg.Go(func() {
		tick := time.NewTicker(m.RefreshInterval)
		defer tick.Stop()
		for {
			_ = m.refreshAll(m.ctx)
			select {
			case <-m.ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

// Close ends all supervision and releases the leases. With exiting and StopOnExit it also
// stops the Livy servers, unless other instances are running to supervise them.
func (m *Manager) Close(exiting bool) {
	m.Events.Close()
	if m.cancel == nil {
		return
	}
	m.leaseholder.freeze()
	m.cancel()
	m.wg.Wait()
	m.pods.close()
	if exiting && m.settings.Load().StopOnExit && len(m.leaseholder.peers()) == 0 {
		m.stopServers()
	}
	m.cancelLeasing()
	m.leasing.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	m.leaseholder.close(ctx)
}

// stopServers stops all servers in parallel but leaves the desired states unchanged, so
// that the next process starts them again.
func (m *Manager) stopServers() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for id, number := range m.leaseholder.heldNumbers() {
		wg.Go(func() {
			if err := m.stopAtExit(ctx, store.Fence{GatewayID: id, Number: number}); err != nil {
				m.Logger.Error("stopping Livy server at exit", zap.String("gateway", id), zap.Error(err))
			}
		})
	}
	wg.Wait()
}

func (m *Manager) stopAtExit(ctx context.Context, fence store.Fence) error {
	id := fence.GatewayID
	g, err := m.update(ctx, fence, id, func(g *gateway.Gateway) error {
		if g.Status.Instance == "" && len(g.Status.Servers) == 0 {
			return errUnchanged
		}
		g.Status.Retired = g.Status.Epoch
		clearInstance(g)
		g.Status.EndServers("the gateway process ended", m.Now(), nil)
		return nil
	})
	ended := g != nil && (g.Status.State == gateway.StateStopped || g.Status.State == gateway.StateCreated)
	if err != nil || g.Status.Retired < g.Status.Epoch || ended {
		return err
	}
	if err := m.Runtime.Stop(ctx, g.ServerID(), g.Status.Retired); err != nil {
		return err
	}
	for i := range g.Status.Servers { // their records are ended by the next process
		view := g.At(i)
		if err := m.Runtime.Stop(ctx, view.ServerID(), view.Status.Epoch); err != nil {
			return err
		}
	}
	_, err = m.update(ctx, fence, id, func(g *gateway.Gateway) error {
		if g.Desired == gateway.StateDeleting {
			return errUnchanged // the next process continues the deletion
		}
		g.Enter(gateway.StateStopped, "stopped with the gateway process; starts again with it",
			gateway.SystemActor, m.Now())
		clearInstance(g)
		g.Status.Location = ""
		return nil
	})
	return err
}
