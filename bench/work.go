package main

import (
	"fmt"
	"strings"
)

// work is a kind of requests. Each connection sends them in turn.
type work struct {
	name        string
	all         []request
	connections []int // the numbers of connections to measure it with
}

// request is a request of a Livy client.
type request struct {
	method, path      string
	contentType, body string
}

// polls is the work that the others are not: small, and without end.
const polls = "poll 0.3 KB"

func works() []work {
	poll := request{method: "GET", path: "/sessions/0"}
	statement := request{method: "GET", path: "/sessions/0/statements/0"}
	return []work{
		{name: polls, all: []request{poll}, connections: []int{1, 64, 512}},
		{name: "poll 64 KB", all: []request{{method: "GET", path: "/sessions/0/log"}}, connections: []int{1, 64, 512}},
		{name: "create 1 KiB", all: []request{create(1 << 10)}, connections: []int{64}},
		{name: "create 16 KiB", all: []request{create(16 << 10)}, connections: []int{64}},
		{name: "upload 8 MB", all: []request{upload(8 << 20)}, connections: []int{4}},
		{name: "sparkmagic", connections: []int{64}, all: []request{
			poll,
			{method: "POST", path: "/sessions/0/statements", contentType: "application/json", body: `{"code":"spark.range(10).count()"}`},
			statement, statement, statement, poll,
		}},
	}
}

func create(size int) request {
	return request{method: "POST", path: "/batches", contentType: "application/json", body: string(createBody(size))}
}

func upload(size int) request {
	const boundary = "bench"
	return request{
		method: "POST", path: "/sessions/0/upload-jar", contentType: "multipart/form-data; boundary=" + boundary,
		body: "--" + boundary + "\r\nContent-Disposition: form-data; name=\"jar\"; filename=\"a.jar\"\r\n" +
			"Content-Type: application/java-archive\r\n\r\n" + strings.Repeat("0123456789abcdef", size/16) + "\r\n--" + boundary + "--\r\n",
	}
}

// requests returns the requests as they are sent to a target.
func (w *work) requests(t *target) [][]byte {
	all := make([][]byte, len(w.all))
	for i, q := range w.all {
		about := ""
		if q.body != "" {
			about = fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d\r\n", q.contentType, len(q.body))
		}
		all[i] = fmt.Appendf(nil, "%s %s%s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n%s%s\r\n%s",
			q.method, t.prefix, q.path, t.addr, about, t.headers, q.body)
	}
	return all
}
