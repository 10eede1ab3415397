package core

import (
	"net/http"
	"reflect"
	"testing"
)

func TestMaskHeader(t *testing.T) {
	const secret = "lgw_0123456789abcdef_0123456789ABCDEFabcdefXYZxyz0000_0FrxTk"
	harmless := http.Header{"Accept": {"*/*"}, "Cookie": {"a=b", "c=d"}}
	if got := maskHeader(harmless); reflect.ValueOf(got).Pointer() != reflect.ValueOf(harmless).Pointer() {
		t.Errorf("a harmless header is copied: %v", got)
	}
	header := harmless.Clone()
	header.Add("Cookie", "t="+secret)
	header.Set(secret, "1")
	got := maskHeader(header)
	if want := (http.Header{"Accept": {"*/*"}, "Cookie": {"a=b", "c=d", "t=REDACTED"}, "Redacted": {"1"}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if header.Get(secret) != "1" || header["Cookie"][2] != "t="+secret {
		t.Errorf("the header itself is changed: %v", header)
	}
}
