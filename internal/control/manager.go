// Package control is what the API, the CLI and the console call: it creates,
// starts, stops and deletes gateways, keeps their Livy servers running, and
// tells the data path which gateways there are.
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

// Options are the parts a Manager works with and its times. Times that are zero
// have the defaults given here.
type Options struct {
	Store   *store.Store
	Runtime upstream.Runtime
	Ledger  *sessions.Ledger
	Tokens  *tokens.Service
	Logger  *zap.Logger
	// HTTP is used to ask Livy servers; contexts bound what it does.
	HTTP *http.Client
	Now  func() time.Time
	Rand io.Reader
	// Name tells this instance from others, for people. Default: host name and
	// process id.
	Name string
	// MarkDir is where it is kept over a restart how far Redis had come (see
	// store.Mark). Default: nowhere, so that an old backup is noticed only if it is
	// restored while the process runs.
	MarkDir string

	// PollInterval is the time between two looks at a running Livy server: is
	// it there, and what are its sessions doing. Default 3 seconds.
	PollInterval time.Duration
	// RefreshInterval is the longest time for which a missed change can go
	// unseen. Default 5 seconds.
	RefreshInterval time.Duration
	// MaxBackoff is the longest pause between two restarts of a Livy server
	// that keeps crashing. Default 2 minutes.
	MaxBackoff time.Duration
}

// Manager knows the gateways. Its methods are safe for concurrent use.
type Manager struct {
	Options
	// Events are the changes that this instance hears of.
	Events   *events.Hub
	settings atomic.Pointer[Settings]
	view     view
	pulse    pulse

	newResolved  func(*resolved.Settings, gateway.Spec) *resolved.Gateway // tests count its calls
	lastResolved atomic.Pointer[resolution]

	keeper  *keeper
	workers workers
	wg      sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
	// kept ends with the keeper, which goes on a little longer than the rest.
	kept       sync.WaitGroup
	cancelKept context.CancelFunc

	health    health
	usages    sync.Map               // of *usage by gateway id
	logins    sync.Map               // of loggedIn by gateway id
	installed atomic.Pointer[string] // the installation's name, once it is known

	declared atomic.Pointer[[]Declaration] // the gateways of the configuration in force
	declare  chan struct{}                 // says that they are new

	reapSoon chan struct{} // says that there may be orphans
}

// Settings are what an operator may change by reloading the configuration
// without anything being restarted.
type Settings struct {
	resolved.Settings
	// SparkUISite is the address of the site that shows the Spark UIs of all gateways,
	// e.g. https://ui.example.com; "" where each gateway's own sites do.
	SparkUISite string
	// StartTimeout bounds the time from starting a Livy server to its first
	// answer. Default 3 minutes.
	StartTimeout time.Duration
	// StopOnExit stops the Livy servers when the Manager is closed for good;
	// they start again with the next process. Default: they are kept, and the
	// next process finds them.
	StopOnExit bool
	// AuditRetention is how long entries of the audit are kept. Default 90 days.
	AuditRetention time.Duration
}

// New returns a Manager. Nothing happens until Run.
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
	m := &Manager{Options: o, Events: events.New(rand.Reader), newResolved: resolved.New, workers: workers{all: make(map[string]*worker)}, declare: make(chan struct{}, 1), reapSoon: make(chan struct{}, 1)}
	m.view.told = m.tellChanges
	m.keeper = newKeeper(o.Store, store.Instance{ID: instanceID(o.Rand), Name: o.Name}, o.Logger)
	m.keeper.wanted, m.keeper.gained, m.keeper.lost, m.keeper.rewound = m.supervisable, m.employ, m.dismiss, m.rewound
	m.keeper.recall = m.recallMark
	m.Configure(Settings{})
	return m
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Settings are those in force.
func (m *Manager) Settings() Settings { return *m.settings.Load() }

// Configure puts new settings into force; running gateways keep their servers
// and get their policies anew.
func (m *Manager) Configure(s Settings) {
	setDefault(&s.StartTimeout, gateway.DefaultStartTimeout)
	setDefault(&s.AuditRetention, gateway.DefaultAuditRetention)
	m.settings.Store(&s)
	m.view.recompile(m.compile)
	m.Events.Reset() // what is shown of gateways goes by the settings too
}

// Run keeps the view of all gateways up to date, and the Livy servers of those
// whose leases it gets as they are wanted, until Close. It returns at once.
func (m *Manager) Run() {
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.wg.Go(func() { m.followDeclarations(m.ctx) })
	m.wg.Go(func() { m.pulse.run(m.ctx) })
	kept, cancel := context.WithCancel(context.Background())
	m.cancelKept = cancel
	m.kept.Go(func() { m.keeper.run(kept) })
	m.kept.Go(func() { m.learnPlace(kept) })
	m.kept.Go(func() { m.keepMark(kept) })
	m.wg.Go(func() { m.reportUse(m.ctx) })
	m.wg.Go(func() { m.reap(m.ctx) })
	m.wg.Go(func() { m.followRevisions(m.ctx) })
	m.wg.Go(func() {
		m.Store.Watch(m.ctx, func(e store.Event) {
			switch e.Topic {
			case store.TopicGateway:
				m.refreshOne(m.ctx, e.ID)
			case store.TopicResync:
				_ = m.refreshAll(m.ctx) // it says why, and the next one will do
				m.keeper.kick()
			case store.TopicLease:
				m.keeper.kick()
			}
			m.tell(e)
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

// Close ends all supervision and gives the leases back. With exiting and
// StopOnExit the Livy servers are stopped too, unless other instances are there
// to look after them.
func (m *Manager) Close(exiting bool) {
	m.Events.Close()
	if m.cancel == nil {
		return
	}
	m.keeper.freeze()
	m.cancel()
	m.wg.Wait()
	if exiting && m.settings.Load().StopOnExit && len(m.keeper.peers()) == 0 {
		m.stopServers()
	}
	m.cancelKept()
	m.kept.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	m.keeper.close(ctx)
}

// stopServers stops all servers at once but leaves the gateways wanted as they
// were, so that the next process starts them again.
func (m *Manager) stopServers() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for id, number := range m.keeper.numbers() {
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
		if g.Status.Instance == "" {
			return errUnchanged
		}
		g.Status.Condemned = g.Status.Epoch
		clearInstance(g)
		return nil
	})
	if err != nil || g.Status.Condemned < g.Status.Epoch || g.Status.State == gateway.StateStopped || g.Status.State == gateway.StateCreated {
		return err
	}
	if err := m.Runtime.Stop(ctx, id, g.Status.Condemned); err != nil {
		return err
	}
	_, err = m.update(ctx, fence, id, func(g *gateway.Gateway) error {
		g.Enter(gateway.StateStopped, "stopped with the gateway process; starts again with it", gateway.SystemActor, m.Now())
		clearInstance(g)
		g.Status.Place = ""
		return nil
	})
	return err
}
