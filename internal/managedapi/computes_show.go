package managedapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// compute is a gateway in a list.
type compute struct {
	ComputeID     string `json:"computeId"`
	Name          string `json:"name"`
	Status        string `json:"status"`
	QueueName     string `json:"queueName"`
	CreatedBy     string `json:"createdBy"`
	Endpoint      string `json:"endpoint,omitempty"`
	EndpointInner string `json:"endpointInner"`
	GmtCreate     int64  `json:"gmtCreate"`
	StartTime     int64  `json:"startTime,omitempty"`
}

// detailedCompute is the reply of GetLivyCompute.
type detailedCompute struct {
	compute
	AuthType              string   `json:"authType"`
	LivyVersion           string   `json:"livyVersion"`
	DisplayReleaseVersion string   `json:"displayReleaseVersion"`
	ReleaseVersion        string   `json:"releaseVersion"`
	CPULimit              string   `json:"cpuLimit"`
	MemoryLimit           string   `json:"memoryLimit"`
	NetworkName           string   `json:"networkName"`
	EnvironmentID         string   `json:"environmentId"`
	LivyServerConf        string   `json:"livyServerConf"`
	Fusion                bool     `json:"fusion"`
	EnablePublic          bool     `json:"enablePublic"`
	AutoStopConfiguration autoStop `json:"autoStopConfiguration"`
}

// statuses are the states of gateways in this API.
var statuses = map[gateway.State]string{
	gateway.StateCreated:  "STOPPED", // the managed product has no state for "never started"
	gateway.StateStarting: "STARTING",
	gateway.StateRunning:  "RUNNING",
	gateway.StateStopping: "STOPPING",
	gateway.StateStopped:  "STOPPED",
	gateway.StateError:    "ERROR",
}

func (c *call) shown(g *api.Gateway) compute {
	path := api.EndpointPath(g.Workspace, g.ID)
	shown := compute{
		ComputeID: g.ID, Name: g.Spec.Name, Status: statuses[g.Status.State], QueueName: g.Spec.Queue, CreatedBy: g.CreatedBy,
		EndpointInner: c.host(c.EndpointInner) + path, GmtCreate: millis(g.CreatedAt), StartTime: millis(started(g.Gateway)),
	}
	if g.Spec.Public {
		shown.Endpoint = c.host(c.Endpoint) + path
	}
	return shown
}

// host returns the configured host, or else that of the request.
func (c *call) host(configured string) string {
	if configured != "" {
		return configured
	}
	return c.arrived.Host
}

// started returns when a gateway last came to run, the zero time if that is not known.
func started(g *gateway.Gateway) (at time.Time) {
	if g.Status.State == gateway.StateRunning {
		return g.Status.Since
	}
	for _, t := range slices.Backward(g.History) {
		if t.To == gateway.StateRunning {
			return t.Time
		}
	}
	return at
}

// millis returns a time in milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (c *call) getCompute() (any, error) {
	if err := c.noBody(); err != nil {
		return nil, err
	}
	var g api.Gateway
	if err := c.do(http.MethodGet, c.path(), nil, &g); err != nil {
		return nil, err
	}
	s := &g.Spec
	files, err := json.Marshal(serverConf{&s.SparkDefaults, &s.SparkBlacklist, &s.LivyConf, &s.LivyClientConf})
	if err != nil {
		return nil, fmt.Errorf("encoding livyServerConf: %w", err)
	}
	release := c.releaseOf(s.Engine)
	d := detailedCompute{
		compute: c.shown(&g), AuthType: "Token", LivyVersion: s.LivyVersion, DisplayReleaseVersion: release, ReleaseVersion: release,
		CPULimit: fmt.Sprint(s.CPU), MemoryLimit: s.Memory, NetworkName: s.Network, EnvironmentID: s.Environment,
		LivyServerConf: string(files), Fusion: s.Fusion != "", EnablePublic: s.Public,
		AutoStopConfiguration: autoStop{Enable: &s.AutoStop.Enabled},
	}
	if s.AutoStop.Minutes > 0 {
		d.AutoStopConfiguration.IdleTimeoutMinutes = &s.AutoStop.Minutes
	}
	return c.done(d), nil
}

func (c *call) listComputes() (any, error) {
	if err := c.noBody(); err != nil {
		return nil, err
	}
	query, err := parseQuery(c.arrived.URI)
	if err != nil {
		return nil, err
	}
	environment := query["environmentId"]
	list := []compute{}
	err = pages(func(offset int) (int, int64, error) {
		var page api.GatewayList
		err := c.do(http.MethodGet, fmt.Sprintf("/gateways?limit=%d&offset=%d", pageLimit, offset), nil, &page)
		for i := range page.Gateways {
			g := &page.Gateways[i]
			if (environment == "" || g.Spec.Environment == environment) && (c.caller.only == "" || g.ID == c.caller.only) {
				list = append(list, c.shown(g))
			}
		}
		return len(page.Gateways), page.Total, err
	})
	if err != nil {
		return nil, err
	}
	return c.done(map[string]any{"livyComputes": list}), nil
}

// pageLimit is how many items of a list of ours are read at once.
const pageLimit = 1000

// pages reads all pages of a list; read returns how many items it read, and their total.
func pages(read func(offset int) (int, int64, error)) error {
	for offset := 0; ; {
		n, total, err := read(offset)
		if offset += n; err != nil || n == 0 || int64(offset) >= total {
			return err
		}
	}
}
