package livy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/require"
)

func TestParseProperties(t *testing.T) {
	tests := []struct {
		name, text string
		want       []Property
	}{
		{"nothing", "", nil},
		{"comments and blank lines", "# a\n\n  ! b\n \t \n", nil},
		{"blank as separator", "livy.server.session.timeout  1h\n", []Property{{1, "livy.server.session.timeout", "1h"}}},
		{"equals sign", "a = b", []Property{{1, "a", "b"}}},
		{"colon", "a:b", []Property{{1, "a", "b"}}},
		{"only the first separator counts", "a==b", []Property{{1, "a", "=b"}}},
		{"separators in the value", "spark.driver.extraJavaOptions -Dx=y -Dz:1", []Property{{1, "spark.driver.extraJavaOptions", "-Dx=y -Dz:1"}}},
		{"key alone", "spark.master", []Property{{1, "spark.master", ""}}},
		{"value trimmed", "a =  b \t", []Property{{1, "a", "b"}}},
		{"indented", "\t a b", []Property{{1, "a", "b"}}},
		{"continued", "a b,\\\n   c\nd e", []Property{{1, "a", "b,c"}, {3, "d", "e"}}},
		{"continued by an odd number of backslashes only", "a b\\\\\nd e", []Property{{1, "a", `b\`}, {2, "d", "e"}}},
		{"continued past the end", "a b\\", []Property{{1, "a", "b"}}},
		{"a comment is not continued", "# a\\\nb c", []Property{{2, "b", "c"}}},
		{"windows line ends", "a b\r\nc d\r\n", []Property{{1, "a", "b"}, {2, "c", "d"}}},
		{"escaped separators", `a\ b\=c\:d e`, []Property{{1, "a b=c:d", "e"}}},
		{"escapes", `a x\ty\u0041\\z\q`, []Property{{1, "a", "x\tyA\\zq"}}},
		{"letters beyond ASCII", "a grün", []Property{{1, "a", "grün"}}},
		{"byte order mark", "\ufeff# a\nb c", []Property{{2, "b", "c"}}},
		{"byte order mark before a key", "\ufeffa b", []Property{{1, "a", "b"}}},
		{"no-break space after a blank", "a \u00a0b\u00a0", []Property{{1, "a", "b"}}},
		{"no-break space in a value", "a b\u00a0c", []Property{{1, "a", "b\u00a0c"}}},
		{"hash in the value", "a b # c", []Property{{1, "a", "b # c"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseProperties(tt.text)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("ParseProperties = %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParsePropertiesErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a b\nc \\u12":    `line 2: \u needs four hexadecimal digits`,
		"a \\u12xy":       `line 1: \u needs four hexadecimal digits`,
		"a b\n\nc \xff d": "line 3: is not UTF-8 text",
		"a\u00a0b":        "line 1: holds a no-break space (U+00A0), which looks like a blank and is none: write a blank",
		"a b\n\ufeffc d":  "line 2: holds a byte order mark (U+FEFF), which looks like a blank and is none: write a blank",
		"a = 2g\u200b":    "line 1: holds a zero-width space (U+200B), which looks like a blank and is none: write a blank",
	} {
		if _, err := ParseProperties(text); err == nil || err.Error() != want {
			t.Errorf("ParseProperties(%q): %v; want %s", text, err, want)
		}
	}
}

var awkward = []Property{
	{0, "a.b", "plain"},
	{0, "blank in key", " leading blank"},
	{0, "#hash", "#hash = x:y"},
	{0, "!bang:=", `back\slash\`},
	{0, "umlaut.ä", "grün 漢字 😀"},
	{0, "tab\tkey", "a\tb\nc\rd\fe"},
	{0, "alone", ""},
}

func TestPropertiesSurviveWriting(t *testing.T) {
	var b strings.Builder
	WriteProperties(&b, awkward)
	got, err := ParseProperties(b.String())
	if err != nil || len(got) != len(awkward) {
		t.Fatalf("%v, %v from:\n%s", got, err, b.String())
	}
	for i, e := range awkward {
		e.Value = strings.TrimSpace(e.Value)
		got[i].Line = 0
		if got[i] != e {
			t.Errorf("read %+v, wrote %+v", got[i], e)
		}
	}
}

// Java's own reader is the judge of what the files say.
func TestJavaReadsTheSame(t *testing.T) {
	_, err := exec.LookPath("javac")
	require.Need(t, "jdk", err == nil, "no javac in PATH")
	const program = `
import java.io.*; import java.nio.charset.StandardCharsets; import java.util.*;
public class Read {
  public static void main(String[] args) throws Exception {
    Properties p = new Properties();
    p.load(new InputStreamReader(new FileInputStream(args[0]), StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, "UTF-8");
    for (String k : new TreeMap<String, String>((Map) p).keySet()) out.print(k + "\u0000" + p.getProperty(k).trim() + "\u0001");
  }
}`
	dir := t.TempDir()
	source := filepath.Join(dir, "Read.java")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	var written strings.Builder
	WriteProperties(&written, awkward)
	texts := map[string]string{
		"what we write":    written.String(),
		"what users write": "a  1\nb=2\nc : 3\n d\\ e 4\nf g\\\n   h\n# no\ni\nj \\u0041\\\\\nk==l\nm n=o:p\r\nq r\\",
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "p.properties")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("java", source, file).Output()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for item := range strings.SplitSeq(string(out), "\x01") {
				if k, v, ok := strings.Cut(item, "\x00"); ok {
					want[k] = v
				}
			}
			ours, err := ParseProperties(text)
			if err != nil {
				t.Fatal(err)
			}
			if len(ours) != len(want) {
				t.Errorf("we read %d entries, Java %d", len(ours), len(want))
			}
			for _, e := range ours {
				if got, ok := want[e.Key]; !ok || got != e.Value {
					t.Errorf("we read %q = %q, Java %q", e.Key, e.Value, got)
				}
			}
		})
	}
}

// Java writes what is beyond 16 bits as two escapes.
func TestPropertiesBeyond16Bits(t *testing.T) {
	got, err := ParseProperties(`k = a\uD83D\uDE00b`)
	if err != nil || len(got) != 1 || got[0].Value != "a\U0001F600b" {
		t.Errorf("%v, %v", got, err)
	}
	for _, half := range []string{`\uD83D`, `\uD83Dx`, `\uD83D\u0041`, `\uDE00`, `\uD83D\n`} {
		if _, err := ParseProperties("k = " + half); err == nil {
			t.Errorf("%s was taken", half)
		}
	}
}
