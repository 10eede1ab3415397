package main

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
)

// session is Livy's reply for an idle session: 0.3 KB.
const session = `{"id":0,"name":null,"appId":"application_1700000000000_0042","owner":null,"proxyUser":null,` +
	`"state":"idle","kind":"pyspark","appInfo":{"driverLogUrl":null,"sparkUiUrl":null},` +
	`"log":["stdout: ","26/01/01 00:00:00 INFO SparkContext: Running Spark version 3.5.8","\nstderr: "],"ttl":null}`

// statement is Livy's reply for a statement, and logLines that for a log: 0.3 and 64 KB.
const statement = `{"id":0,"code":"spark.range(10).count()","state":"available","output":{"status":"ok","execution_count":0,` +
	`"data":{"text/plain":"10"}},"progress":1.0,"started":1790000000000,"completed":1790000000100}`

var logLines = `{"id":0,"from":0,"total":640,"log":[` + strings.Repeat(`"`+strings.Repeat("INFO ", 19)+`",`, 640) + `""]}`

// backend answers like a Livy server with one idle session. Batches that it creates end at once.
type backend struct {
	replies map[string][]byte
	batches atomic.Int64
}

func startBackend() (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("opening the backend's port: %w", err)
	}
	b := &backend{replies: map[string][]byte{
		"POST /sessions":               response("201 Created", session),
		"GET /sessions/0":              response("200 OK", session),
		"GET /sessions/0/log":          response("200 OK", logLines),
		"POST /sessions/0/statements":  response("201 Created", statement),
		"GET /sessions/0/statements/0": response("200 OK", statement),
		"POST /sessions/0/upload-jar":  response("200 OK", `{"msg":"uploaded"}`),
		"GET /sessions":                response("200 OK", `{"from":0,"total":1,"sessions":[`+session+`]}`),
		"GET /batches":                 response("200 OK", `{"from":0,"total":0,"sessions":[]}`),
		"GET /version": response("200 OK",
			`{"url":"","branch":"HEAD","revision":"0","version":"0.8.0-incubating",`+
				`"date":"2026-01-01T00:00:00Z","user":""}`),
	}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(conn)
		}
	}()
	return l.Addr().String(), nil
}

func response(status, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: %d\r\n\r\n%s",
		status, len(body), body)
}

var notFound = response("404 Not Found", `{"msg":"not found"}`)

func (b *backend) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		h, err := readHead(in)
		if err != nil {
			return
		}
		if err := h.discardBody(in); err != nil {
			return
		}
		method, target, _ := strings.Cut(h.first, " ")
		target, _, _ = strings.Cut(target, " ")
		path, _, _ := strings.Cut(target, "?")
		reply, ok := b.replies[method+" "+path]
		switch {
		case method == "POST" && path == "/batches":
			reply = response("201 Created", fmt.Sprintf(`{"id":%d,"name":null,"owner":null,"proxyUser":null,"state":"running",`+
				`"appId":null,"appInfo":{"driverLogUrl":null,"sparkUiUrl":null},"log":[]}`, b.batches.Add(1)))
		case !ok:
			reply = notFound
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// head is the beginning of a request or reply.
type head struct {
	first   string // the first line
	length  int    // of the body
	chunked bool
}

func readHead(in *bufio.Reader) (h head, err error) {
	for n := 0; ; n++ {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		switch {
		case n == 0:
			h.first = strings.TrimSpace(string(line))
		case len(line) <= 2:
			return h, nil
		case len(line) > 16 && strings.EqualFold(string(line[:15]), "content-length:"):
			h.length, err = strconv.Atoi(strings.TrimSpace(string(line[15:])))
			if err != nil {
				return h, fmt.Errorf("reading Content-Length: %w", err)
			}
		case len(line) > 18 && strings.EqualFold(string(line[:18]), "transfer-encoding:"):
			h.chunked = true
		}
	}
}

// discardBody reads the body after a head.
func (h *head) discardBody(in *bufio.Reader) error {
	if !h.chunked {
		_, err := in.Discard(h.length)
		return err
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(line)), 16, 32)
		if err != nil {
			return fmt.Errorf("reading the size of a chunk: %w", err)
		}
		if _, err := in.Discard(int(size) + 2); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}
