package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const tokenHeader = "x-acs-spark-livy-token"

// client reaches one gateway the way Livy clients do.
type client struct {
	t     testing.TB
	base  string
	token string // none is sent when empty
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

var httpClient = &http.Client{Timeout: 60 * time.Second}

func (c client) do(method, path string, body any) reply {
	c.t.Helper()
	r, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (c client) try(method, path string, body any) (reply, error) {
	return c.tryWith(method, path, body, nil)
}

// tryWith is try with further headers.
func (c client) tryWith(method, path string, body any, header map[string]string) (reply, error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, c.base+path, in)
	if err != nil {
		return reply{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set(tokenHeader, c.token)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := httpClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, text}, err
}

// expect is do for one expected status; it decodes the JSON reply into into
// unless that is nil.
func (c client) expect(status int, method, path string, body, into any) reply {
	c.t.Helper()
	r := c.do(method, path, body)
	if r.status != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, r.status, status, r.body)
	}
	if into != nil {
		if err := json.Unmarshal(r.body, into); err != nil {
			c.t.Fatalf("%s %s: no JSON: %v: %s", method, path, err, r.body)
		}
	}
	return r
}

// msg is the "msg" of an error reply, which has to be JSON.
func (r reply) msg(t testing.TB) string {
	t.Helper()
	var body struct{ Msg string }
	if err := json.Unmarshal(r.body, &body); err != nil || body.Msg == "" {
		t.Errorf("status %d without a JSON msg: %q", r.status, r.body)
	}
	return body.Msg
}

type batch struct {
	ID    int    `json:"id"`
	State string `json:"state"`
}

// batchDone waits for the end of a batch and returns its final state and log.
func (c client) batchDone(id int) (state, log string) {
	c.t.Helper()
	return c.batchDoneWithin(3*time.Minute, id)
}

func (c client) batchDoneWithin(limit time.Duration, id int) (state, log string) {
	c.t.Helper()
	path := fmt.Sprintf("/batches/%d", id)
	eventually(c.t, limit, "batch at its end", func() bool {
		var b batch
		c.expect(http.StatusOK, "GET", path, nil, &b)
		state = b.State
		return state == "success" || state == "dead" || state == "error" || state == "killed"
	})
	var lines struct{ Log []string }
	c.expect(http.StatusOK, "GET", path+"/log?from=0&size=10000", nil, &lines)
	return state, strings.Join(lines.Log, "\n")
}

// shown is what show_conf.py printed into a log.
type shown struct {
	Conf      map[string]string
	Args      []string
	Sum       int
	SparkUser string
	Version   string
}

func readShown(t testing.TB, log string) shown {
	t.Helper()
	_, text, found := strings.Cut(log, "<<<SHOW-CONF")
	text, _, ended := strings.Cut(text, "SHOW-CONF>>>")
	start, end := strings.Index(text, "{"), strings.LastIndex(text, "}")
	if !found || !ended || start < 0 {
		t.Fatalf("the job's output is not in the log:\n%s", log)
	}
	var s shown
	// An Airflow log holds more than the line itself: the JSON ends where it ends.
	if err := json.NewDecoder(strings.NewReader(text[start : end+1])).Decode(&s); err != nil {
		t.Fatalf("reading what the job showed: %v\n%s", err, text)
	}
	return s
}
