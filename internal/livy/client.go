package livy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Client is a client for the few requests that the gateway itself makes to a Livy server.
// Contexts set the timeouts. It is safe for concurrent use.
type Client struct {
	// Base is the server's root without a trailing slash, e.g. "http://127.0.0.1:8998".
	Base string
	// HTTP makes the requests; http.DefaultClient if nil.
	HTTP *http.Client
	// User and Password are the login, for a Livy that requires one; without a User
	// there is none.
	User, Password string
}

// pageSize is the number of sessions per request. Livy includes ten log lines for each, so a
// page stays well below a megabyte.
const pageSize = 200

// maxReply bounds the size of a reply.
const maxReply = 64 << 20

// StatusError is a reply with a status other than 2xx.
type StatusError struct {
	Status int
	// Message is Livy's own message, truncated to 500 bytes.
	Message string
}

// Error returns status and message.
func (e *StatusError) Error() string {
	return fmt.Sprintf("livy answered %d: %s", e.Status, e.Message)
}

// IsNotFound reports whether err is Livy's 404.
func IsNotFound(err error) bool {
	var s *StatusError
	return errors.As(err, &s) && s.Status == http.StatusNotFound
}

// IsRefused reports whether err is Livy's 401 or 403: it requires a login, or a different
// one.
func IsRefused(err error) bool {
	var s *StatusError
	return errors.As(err, &s) && (s.Status == http.StatusUnauthorized || s.Status == http.StatusForbidden)
}

// Version returns the reply of GET /version, which also serves as the readiness check.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	return v, c.do(ctx, http.MethodGet, "/version", &v)
}

// Sessions lists all interactive sessions, page by page. Unlike a request for one session,
// listing does not reset a session's idle timeout.
func (c *Client) Sessions(ctx context.Context) ([]Session, error) {
	return list[Session](ctx, c, KindSession, func(s Session) int64 { return s.ID })
}

// Batches lists all batches, page by page.
func (c *Client) Batches(ctx context.Context) ([]Batch, error) {
	return list[Batch](ctx, c, KindBatch, func(b Batch) int64 { return b.ID })
}

// list reads pages until one is short. Items that are removed in between move later ones
// forward, out of the next page. So each page overlaps the previous one by one item; if it
// does not, the previous page is read again. Each item is returned once.
func list[T Session | Batch](ctx context.Context, c *Client, kind Kind, id func(T) int64) ([]T, error) {
	var all []T
	seen := map[int64]bool{}
	for from := 0; ; {
		var page List[T]
		if err := c.do(ctx, http.MethodGet, fmt.Sprintf("/%s?from=%d&size=%d", kind.Collection(), from, pageSize),
			&page); err != nil {
			return nil, err
		}
		if from > 0 && (len(page.Sessions) == 0 || !seen[id(page.Sessions[0])]) {
			from = max(0, from-pageSize)
			continue
		}
		for _, s := range page.Sessions {
			if !seen[id(s)] {
				seen[id(s)] = true
				all = append(all, s)
			}
		}
		if len(page.Sessions) < pageSize {
			return all, nil
		}
		from += pageSize - 1
	}
}

// Log returns the last size lines of a session's or batch's log, or all that Livy has if
// size is negative.
func (c *Client) Log(ctx context.Context, kind Kind, id int64, size int) (Log, error) {
	var l Log
	return l, c.do(ctx, http.MethodGet, fmt.Sprintf("/%s/%d/log?from=-1&size=%d", kind.Collection(), id, size),
		&l)
}

// Delete stops a session or batch and waits for it. Livy does not bound that, so the context
// needs a deadline. It is not an error if it no longer exists.
func (c *Client) Delete(ctx context.Context, kind Kind, id int64) error {
	err := c.do(ctx, http.MethodDelete, fmt.Sprintf("/%s/%d", kind.Collection(), id), nil)
	if IsNotFound(err) {
		return nil
	}
	return err
}

// CreateSession sends the create request of a session, which has a policy's result as its body.
func (c *Client) CreateSession(ctx context.Context, body []byte) (Session, error) {
	var s Session
	return s, c.send(ctx, http.MethodPost, "/sessions", body, &s)
}

// Connect returns the object of a session, as Livy shows it. Unlike other reads, it resets the
// session's idle timeout.
func (c *Client) Connect(ctx context.Context, id int64) (json.RawMessage, error) {
	var reply json.RawMessage
	return reply, c.do(ctx, http.MethodPost, fmt.Sprintf("/sessions/%d/connect", id), &reply)
}

func (c *Client) do(ctx context.Context, method, uri string, out any) error {
	return c.send(ctx, method, uri, nil, out)
}

func (c *Client) send(ctx context.Context, method, uri string, body []byte, out any) error {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Base, "/")+uri, content)
	if err != nil {
		return fmt.Errorf("asking livy: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("X-Requested-By", "livy-gateway")
	req.Header.Set("Accept", "application/json")
	if c.User != "" {
		req.SetBasicAuth(c.User, c.Password)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking livy: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return statusError(resp)
	}
	if out == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxReply))
	} else {
		err = json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("reading livy's reply to %s %s: %w", method, uri, err)
	}
	return nil
}

func statusError(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
	var m Message
	if json.Unmarshal(text, &m) == nil && m.Msg != "" {
		return &StatusError{Status: resp.StatusCode, Message: m.Msg}
	}
	var bare string
	if json.Unmarshal(text, &bare) == nil {
		return &StatusError{Status: resp.StatusCode, Message: bare}
	}
	return &StatusError{Status: resp.StatusCode, Message: strings.TrimSpace(string(text))}
}
