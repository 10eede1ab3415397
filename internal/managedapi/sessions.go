package managedapi

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/store"
)

// session is a session or batch as this API shows it.
type session struct {
	SessionID    string  `json:"sessionId"`
	ComputeID    string  `json:"computeId"`
	Name         string  `json:"name"`
	Queue        string  `json:"queue"`
	State        string  `json:"state"`
	Info         string  `json:"info"`
	SparkConf    string  `json:"sparkConf"`
	WebUI        string  `json:"webUI"`
	CreateTime   int64   `json:"createTime"`
	EndTime      int64   `json:"endTime,omitempty"`
	CUHours      float64 `json:"cuHours"`
	MBSeconds    int64   `json:"mbSeconds"`
	VCoreSeconds int64   `json:"vcoreSeconds"`
}

// sessionList is the reply of ListLivyComputeSessions, which has no envelope.
type sessionList struct {
	RequestID  string    `json:"requestId"`
	TotalCount int64     `json:"totalCount"`
	Sessions   []session `json:"sessions"`
}

// The default and the largest size of a page.
const (
	defaultPage = 20
	maxPage     = 100
)

func (c *call) listSessions() (any, error) {
	if err := c.noBody(); err != nil {
		return nil, err
	}
	query, err := parseQuery(c.arrived.URI)
	if err != nil {
		return nil, err
	}
	number, err := pageParam(query, "pageNum", 1, 1<<20)
	if err != nil {
		return nil, err
	}
	size, err := pageParam(query, "pageSize", defaultPage, maxPage)
	if err != nil {
		return nil, err
	}
	var list api.RecordList
	if err := c.do(http.MethodGet, fmt.Sprintf("%s/records?limit=%d&offset=%d", c.path(), size, (number-1)*size), nil, &list); err != nil {
		return nil, err
	}
	reply := sessionList{RequestID: c.id, TotalCount: list.Total, Sessions: []session{}}
	for _, r := range list.Records {
		reply.Sessions = append(reply.Sessions, c.session(r))
	}
	return reply, nil
}

func pageParam(query map[string]string, name string, fallback, most int) (int, error) {
	text := query[name]
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, invalid(name, text, fmt.Sprintf("must be a number from 1 to %d", most))
	}
	return n, nil
}

func (c *call) session(r *store.Record) session {
	var resources struct {
		Queue string `json:"queue"`
	}
	_ = json.Unmarshal(r.Resources, &resources) // without a queue there is none to show
	s := session{
		SessionID: r.ID, ComputeID: r.GatewayID, Name: r.Name, Queue: resources.Queue, State: sessionState(r), Info: r.Reason,
		SparkConf: string(r.Resources), WebUI: r.SparkUI, CreateTime: millis(r.Created), EndTime: millis(r.Ended),
		MBSeconds: r.MBSeconds, VCoreSeconds: int64(math.Round(r.VCoreSeconds)),
	}
	if r.Live() {
		var milliCPU int64
		for _, day := range r.UsageByDay(c.Now()) {
			milliCPU += day.MilliCPUSeconds
			s.MBSeconds += day.MBSeconds
		}
		s.VCoreSeconds = int64(math.Round(float64(milliCPU) / 1000))
	}
	s.CUHours = cuHours(float64(s.VCoreSeconds), float64(s.MBSeconds))
	if strings.HasPrefix(s.WebUI, "/") {
		scheme := "http://"
		if c.arrived.HTTPS {
			scheme = "https://"
		}
		s.WebUI = scheme + c.arrived.Host + s.WebUI
	}
	return s
}

// cuHours estimates the usage in compute units, of one core and 4 GiB each, times hours.
func cuHours(vcoreSeconds, mbSeconds float64) float64 {
	return math.Round(max(vcoreSeconds, mbSeconds/4096)/3600*10_000) / 10_000
}

// sessionState returns a record's state in this API.
func sessionState(r *store.Record) string {
	switch r.State {
	case "not_started", "starting", "recovering":
		return "starting"
	case "idle", "busy", "running":
		return "running"
	case "shutting_down":
		return "terminating"
	case "error", "dead":
		return "error"
	}
	if r.Live() {
		return "running"
	}
	return "terminated" // success, killed, gone
}
