package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// session is Livy's reply for an idle session: 0.3 KB.
const session = `{"id":0,"name":null,"appId":"application_1700000000000_0042","owner":null,"proxyUser":null,` +
	`"state":"idle","kind":"pyspark","appInfo":{"driverLogUrl":null,"sparkUiUrl":null},` +
	`"log":["stdout: ","26/01/01 00:00:00 INFO SparkContext: Running Spark version 3.5.8","\nstderr: "],"ttl":null}`

// backend answers like a Livy server with one idle session.
type backend struct{ replies map[string][]byte }

func startBackend() (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("opening the backend's port: %w", err)
	}
	b := &backend{replies: map[string][]byte{
		"POST /sessions":  response("201 Created", session),
		"GET /sessions/0": response("200 OK", session),
		"GET /sessions":   response("200 OK", `{"from":0,"total":1,"sessions":[`+session+`]}`),
		"GET /batches":    response("200 OK", `{"from":0,"total":0,"sessions":[]}`),
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
		request, length, err := readHead(in)
		if err != nil {
			return
		}
		if _, err := in.Discard(length); err != nil {
			return
		}
		method, target, _ := strings.Cut(request, " ")
		target, _, _ = strings.Cut(target, " ")
		path, _, _ := strings.Cut(target, "?")
		reply, ok := b.replies[method+" "+path]
		if !ok {
			reply = notFound
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

// readHead reads the head of a request or reply: its first line and the length
// of the body that follows.
func readHead(in *bufio.Reader) (first string, length int, err error) {
	for n := 0; ; n++ {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return "", 0, err
		}
		switch {
		case n == 0:
			first = strings.TrimSpace(string(line))
		case len(line) <= 2:
			return first, length, nil
		case len(line) > 16 && strings.EqualFold(string(line[:15]), "content-length:"):
			length, err = strconv.Atoi(strings.TrimSpace(string(line[15:])))
			if err != nil {
				return "", 0, fmt.Errorf("reading Content-Length: %w", err)
			}
		case len(line) > 18 && strings.EqualFold(string(line[:18]), "transfer-encoding:"):
			return "", 0, io.ErrUnexpectedEOF // chunked encoding is not supported
		}
	}
}
