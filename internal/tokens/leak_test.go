package tokens_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestSecretsAreNowhere sends 100 tokens through everything that this package
// does, and searches all that it leaves behind for their secrets: Redis's dump
// and append-only file, the log at debug level, errors, records and counts. The
// same search must find a secret that is planted there.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	st, srv := storetest.Real(t, "--rdbcompression", "no", "--aof-use-rdb-preamble", "no")
	var log bytes.Buffer
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&log)), zap.DebugLevel))
	s := tokens.New(st, tokens.Options{FailureBurst: -1}, logger)
	stop := run(t, s)

	var secrets []string
	var said strings.Builder
	say := func(things ...any) {
		for _, thing := range things {
			fmt.Fprintf(&said, "%v\n%+v\n%#v\n", thing, thing, thing)
			if text, err := json.Marshal(thing); err == nil {
				said.Write(text)
			}
		}
	}
	verify := func(gatewayID, secret string) {
		token, err := s.Verify(t.Context(), gatewayID, secret, get)
		say(token, err)
	}
	for n := range 100 {
		r := tokens.CreateRequest{GatewayID: gw, By: gateway.Origin{Actor: "ann"}, Settings: tokens.Settings{Name: new(fmt.Sprintf("token %d", n))}}
		if n%10 == 0 {
			r.Secret = fmt.Sprintf("chosen-by-a-caller/%d+%%", n)
		}
		token, secret := mustCreate(t, s, r)
		secrets = append(secrets, secret)
		say(token)
		verify(gw, secret)
		verify("lc-b", secret)
		if r.Secret == "" {
			verify(gw, secret[:len(secret)-1]) // malformed
		}
		switch n % 5 {
		case 0:
			after, second, err := s.Reset(t.Context(), gateway.Order{}, gw, token.ID, tokens.ResetRequest{})
			say(after, err)
			secrets = append(secrets, second)
			verify(gw, secret)
			verify(gw, second)
		case 1:
			say(s.Revoke(t.Context(), gateway.Order{}, gw, token.ID))
			verify(gw, secret)
		case 2:
			say(s.Disable(t.Context(), gateway.Order{}, gw, token.ID))
			verify(gw, secret)
		case 3: // its secret for another token, and again for itself
			_, _, err := s.Create(t.Context(), tokens.CreateRequest{GatewayID: gw, Secret: secret, Settings: tokens.Settings{Name: new("n")}})
			say(err)
		}
		if r.Secret != "" {
			_, _, err := s.Create(t.Context(), tokens.CreateRequest{GatewayID: gw, Secret: secret, Settings: tokens.Settings{Name: new("n")}})
			say(err)
		}
	}
	list, err := s.List(t.Context(), gw)
	say(list, err, s.Stats())
	stop() // writes the use down
	srv.MustDo("SAVE")
	search := func() string { return find(secrets, places(t, srv.Dir(), log.String(), said.String())) }
	if where := search(); where != "" {
		t.Errorf("a secret is in %s", where)
	}

	for plant, dig := range map[string]func(){
		"appendonlydir": func() { srv.MustDo("SET", "planted", "x"+secrets[7]+"y") },
		"dump.rdb":      func() { srv.MustDo("SET", "planted", secrets[0]); srv.MustDo("SAVE") },
		"log":           func() { logger.Debug("planted", zap.String("secret", secrets[99])) },
		"words":         func() { say(fmt.Errorf("planted %s", base64.StdEncoding.EncodeToString([]byte("ann:"+secrets[1])))) },
	} {
		dig()
		if where := search(); !strings.Contains(where, plant) {
			t.Errorf("the secret planted in %s was not found; found: %q", plant, where)
		}
	}
}

// places are the things to be searched, by name.
func places(t *testing.T, dir, log, said string) map[string]string {
	t.Helper()
	all := map[string]string{"log": log, "words": said}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(b)
		return err
	})
	if err != nil || len(all) < 5 {
		t.Fatalf("only %d places to search, %v", len(all), err)
	}
	for name, text := range all {
		if text == "" && name == "log" || strings.HasSuffix(name, ".rdb") && !strings.Contains(text, "lctk-") {
			t.Fatalf("%s holds nothing of ours: the search would prove nothing", name)
		}
	}
	return all
}

// find returns the names of the places that hold a secret in any of its
// disguises: as it is, without its public part, escaped, or in Base64 at each of
// the three ways that bytes can fall.
func find(secrets []string, places map[string]string) string {
	var found []string
	for name, text := range places {
		for _, secret := range secrets {
			core := secret
			if strings.HasPrefix(secret, "lgw_") {
				core = secret[len("lgw_")+17:][:32]
			}
			looks := []string{core, url.QueryEscape(core), url.PathEscape(core)}
			for shift := range 3 {
				enc := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + core))
				looks = append(looks, enc[4:len(enc)-4])
			}
			for _, look := range looks {
				if strings.Contains(text, look) {
					found = append(found, name)
				}
			}
		}
	}
	return strings.Join(found, ", ")
}
