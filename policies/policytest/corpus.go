// Package policytest reads the corpus under policies/testdata: requests and the results of
// applying policies to them, in a readable form. The tests of package policies run it, and the
// integration tests run it against a real Livy.
//
// A file holds cases. A case begins with "== " and its name; then come, each at
// the beginning of a line:
//
//	policy: JSON        settings (policies.Settings), over those of the case "base"
//	blacklist: a, b     the lines of spark-blacklist.conf
//	defaults: k v; k v  the lines of spark-defaults.conf
//	> POST /batches     the request line, then more "> Header: value" lines
//	{"file": ...}       the body, up to the next line with a mark
//	encode: gzip        how the body is coded before it is sent
//	< POST /batches     the request that Livy gets, followed by its body; or
//	< 400 words         a refusal whose message contains the words
//	ignored: a, b       the report, key by key
//	forced: a, b
//	lowered: a, b
//	straight: text      sent to Livy without a gateway, this reaches spark-submit
//	judged: name=value  sent to Livy without a gateway, Spark makes this of it: a
//	                    field of SparkSubmit's (proxyUser, queue, files, mainClass),
//	                    a setting, args, driverHeap and executorHeap (MiB), ...
//
// Lines that begin with "#" are comments.
package policytest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/livygateway/livygateway/policies"
)

// Case is one request and its expected result.
type Case struct {
	// Name is "file/name of the case".
	Name     string
	Settings policies.Settings
	// Method, Target and Header are the request as it is sent.
	Method, Target string
	Header         map[string]string
	Encode         string
	Body           string

	// Status is 0 if the request is forwarded, otherwise that of the refusal.
	Status int
	// Refusal is part of the refusal's message.
	Refusal string
	// WantMethod, WantTarget and WantBody are the request that Livy receives.
	WantMethod, WantTarget, WantBody string

	Ignored, Forced, Lowered []string
	// Straight are texts that reach spark-submit without a gateway.
	Straight []string
	// Judged are name=value pairs that Spark itself reports for the request without a
	// gateway.
	Judged []string
}

// Load reads all cases in a directory.
func Load(t testing.TB, dir string) []Case {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus in %s: %v", dir, err)
	}
	var all []Case
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := parse(strings.TrimSuffix(filepath.Base(file), ".txt"), string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, cases...)
	}
	return all
}

func parse(file, text string) ([]Case, error) {
	var cases []Case
	var base policies.Settings
	for block := range strings.SplitSeq("\n"+text, "\n== ") {
		name, rest, _ := strings.Cut(block, "\n")
		if name == "" {
			continue // what stands before the first case
		}
		c := Case{Name: file + "/" + name, Settings: base, Header: map[string]string{}}
		if err := c.parse(rest); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if name == "base" {
			base = c.Settings
			continue
		}
		if c.Method == "" || c.Status == 0 && c.WantMethod == "" {
			return nil, fmt.Errorf("%s: a case needs a request and an outcome", name)
		}
		cases = append(cases, c)
	}
	return cases, nil
}

var marks = []string{
	"policy:", "blacklist:", "defaults:", ">", "encode:", "<", "ignored:", "forced:", "lowered:",
	"straight:", "judged:",
}

func (c *Case) parse(text string) error {
	body := &c.Body
	for line := range strings.SplitSeq(text, "\n") {
		key, value, marked := strings.Cut(line, " ")
		if !marked || !slices.Contains(marks, key) {
			if !strings.HasPrefix(line, "#") {
				*body += line + "\n"
			}
			continue
		}
		if err := c.line(key, value); err != nil {
			return err
		}
		if key == "<" {
			body = &c.WantBody
		}
	}
	c.Body, c.WantBody = strings.TrimSpace(c.Body), strings.TrimSpace(c.WantBody)
	return nil
}

func (c *Case) line(key, value string) error {
	switch key {
	case "policy:":
		return json.Unmarshal([]byte(value), &c.Settings)
	case "blacklist:":
		list, err := policies.ParseBlacklist(policies.File{Text: strings.ReplaceAll(value, ", ", "\n")})
		c.Settings.Blacklist = list
		return err
	case "defaults:":
		c.Settings.SparkDefaults = map[string]string{}
		for line := range strings.SplitSeq(value, "; ") {
			key, value, _ := strings.Cut(line, " ")
			c.Settings.SparkDefaults[key] = value
		}
	case "encode:":
		c.Encode = value
	case ">":
		if c.Method == "" {
			c.Method, c.Target, _ = strings.Cut(value, " ")
			return nil
		}
		name, v, _ := strings.Cut(value, ": ")
		c.Header[name] = v
	case "<":
		first, rest, _ := strings.Cut(value, " ")
		if status, err := strconv.Atoi(first); err == nil {
			c.Status, c.Refusal = status, rest
		} else {
			c.WantMethod, c.WantTarget = first, rest
		}
	case "ignored:":
		c.Ignored = strings.Split(value, ", ")
	case "forced:":
		c.Forced = strings.Split(value, ", ")
	case "lowered:":
		c.Lowered = strings.Split(value, ", ")
	case "straight:":
		c.Straight = append(c.Straight, value)
	case "judged:":
		c.Judged = append(c.Judged, value)
	}
	return nil
}

// Bytes returns the body as it is sent.
func (c *Case) Bytes() []byte {
	body := strings.ReplaceAll(c.Body, "<NUL>", "\x00")
	body = strings.ReplaceAll(body, "<BAD>", "\xff")
	var b bytes.Buffer
	switch c.Encode {
	case "":
		return []byte(body)
	case "gzip", "gzip twice":
		for range strings.FieldsSeq(c.Encode) {
			z := gzip.NewWriter(&b)
			_, _ = z.Write([]byte(body))
			_ = z.Close()
			body = " "
		}
	case "deflate":
		z := zlib.NewWriter(&b)
		_, _ = z.Write([]byte(body))
		_ = z.Close()
	case "bom":
		b.WriteString("\ufeff" + body)
	case "utf-16le":
		_ = binary.Write(&b, binary.LittleEndian, utf16.Encode([]rune(body)))
	case "utf-16be":
		_ = binary.Write(&b, binary.BigEndian, utf16.Encode([]rune("\ufeff"+body)))
	case "utf-32le":
		_ = binary.Write(&b, binary.LittleEndian, []rune(body))
	case "large":
		b.WriteString(strings.Replace(body, "<LARGE>", strings.Repeat("x", 1<<20), 1))
	case "gzip large":
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(strings.Replace(body, "<LARGE>", strings.Repeat("x", 1<<20), 1)))
		_ = z.Close()
	default:
		panic("unknown encoding " + c.Encode)
	}
	return b.Bytes()
}
