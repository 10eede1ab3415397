package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// TestPoliciesHoldInSpark makes create requests of nasty pieces, and asks two
// Sparks what they make of those that a policy lets through: that must be what
// the policy says it is, and nothing that its settings forbid. It runs for
// LIVYGW_FUZZ (a duration; default one minute) from LIVYGW_SEED. The minute that
// every run of the tests has is always the same; longer ones begin at another seed
// each time, which is printed.
//
// Part of the requests go through a real Livy. It makes some thirty creates a
// second, so that most go by a model of what it calls spark-submit with, which is
// compared with the real one whenever that is asked.
func TestPoliciesHoldInSpark(t *testing.T) {
	limit, err := time.ParseDuration(setting("LIVYGW_FUZZ", "1m"))
	if err != nil {
		t.Fatalf("LIVYGW_FUZZ: %v", err)
	}
	first := "1"
	if os.Getenv("LIVYGW_FUZZ") != "" {
		first = strconv.FormatInt(time.Now().UnixNano(), 10)
	}
	seed, err := strconv.ParseUint(setting("LIVYGW_SEED", first), 10, 64)
	if err != nil {
		t.Fatalf("LIVYGW_SEED: %v", err)
	}
	judges := startJudges(t)
	server := startRecordingLivy(t, "livy.impersonation.enabled = true", "livy.server.session.state-retain.sec = 1s")
	f := &fuzzer{t: t, judges: judges, dir: t.TempDir(), found: map[string]bool{}, policies: fuzzPolicies(t, rand.New(rand.NewPCG(seed, 0)), judges)}
	t.Logf("LIVYGW_SEED=%d, %d policies, for %v", seed, len(f.policies), limit)
	end := time.Now().Add(limit)

	var workers sync.WaitGroup
	for i := range max(1, runtime.NumCPU()-1) {
		rng := rand.New(rand.NewPCG(seed, uint64(i)+2))
		p := newPieces(t, rng, filepath.Join(root, "policies", "testdata"), judges)
		workers.Go(func() {
			bases := map[string][]*verdict{}
			for time.Now().Before(end) && f.going() {
				f.modelled(p, bases)
			}
		})
	}
	p := newPieces(t, rand.New(rand.NewPCG(seed, 1)), filepath.Join(root, "policies", "testdata"), judges)
	bases := map[string][]*verdict{}
	for time.Now().Before(end) && f.going() {
		f.real(t, server, p, bases)
	}
	workers.Wait()

	f.mu.Lock()
	defer f.mu.Unlock()
	cpu := ownTime() + groupTime(server.group)
	for _, j := range judges {
		cpu += processTime(j.cmd.Process.Pid)
	}
	t.Logf("%d creates tried, %d let through by a policy; by the model %d, %d of them refused by Livy; by a real Livy %d, %d of them refused by it, %d of them compared with the model; %d judgements, %d of them of calls that start nothing; %v of CPU time in test, judges and Livy",
		f.tried, f.through, f.model, f.modelRefused, f.live, f.liveRefused, f.compared, f.judged, f.nothing, cpu.Round(time.Second))
	if f.err != nil {
		t.Error(f.err)
	}
	for _, text := range f.findings {
		t.Error(text)
	}
	if f.judged == 0 || f.live-f.liveRefused == 0 {
		t.Error("nothing was judged")
	}
}

// fuzzPolicy is a policy under test.
type fuzzPolicy struct {
	name     string
	settings policies.Settings
	policy   *policies.Policy
}

type fuzzer struct {
	t        testing.TB
	judges   []*judge
	policies []fuzzPolicy
	dir      string

	// mark counts the calls of the real Livy.
	mark int

	mu       sync.Mutex
	err      error
	found    map[string]bool
	findings []string
	// Counts for the report.
	tried, through, model, modelRefused, live, liveRefused, compared, judged, nothing int
}

// enough findings to look at.
const enough = 40

func (f *fuzzer) going() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err == nil && len(f.findings) < enough
}

func (f *fuzzer) count(n *int) {
	f.mu.Lock()
	*n++
	f.mu.Unlock()
}

func (f *fuzzer) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
}

// pass puts a request through a policy; nil where it is refused.
func (f *fuzzer) pass(p *fuzzPolicy, kind livy.Kind, m map[string]any) *policies.Result {
	body, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	r, err := p.policy.Create(kind, "", "", bytes.NewReader(body))
	if err != nil {
		return nil
	}
	return &r
}

// modelled judges one batch by the model of Livy.
func (f *fuzzer) modelled(p *pieces, bases map[string][]*verdict) {
	policy := &f.policies[p.rng.IntN(len(f.policies))]
	m := p.create(true)
	f.count(&f.tried)
	masters := mastersOf(policy.settings.Master)
	on := masters[p.rng.IntN(len(masters))]
	r := f.pass(policy, livy.KindBatch, m)
	if r == nil {
		return
	}
	f.count(&f.through)
	f.count(&f.model)
	faults, refused, err := f.batch(policy, r, on, bases, wantsJVM(m) || p.chance(10))
	switch {
	case err != nil:
		f.fail(err)
	case refused:
		f.count(&f.modelRefused)
	case len(faults) > 0:
		f.report(policy, m, on, faults, bases)
	}
}

// wantsJVM reports whether a request has what a JVM reads.
func wantsJVM(m map[string]any) bool {
	conf, _ := m["conf"].(map[string]any)
	for key := range conf {
		if strings.HasSuffix(key, "JavaOptions") || strings.Contains(key, "Env.") && strings.Contains(key, "JAVA") {
			return true
		}
	}
	return false
}

// batch judges what a policy made of a batch, by the model.
func (f *fuzzer) batch(policy *fuzzPolicy, r *policies.Result, on master, bases map[string][]*verdict, jvm bool) (faults []string, refused bool, err error) {
	body, err := parseCreate(r.Body)
	if err != nil {
		return nil, false, err
	}
	args, ok := modelBatch(body)
	if !ok {
		return nil, true, nil
	}
	key := fmt.Sprint(policy.name, on, body.File, " ", body.ClassName)
	base, known := bases[key]
	if !known {
		base, err = f.modelledBase(policy, body, on)
		if err != nil {
			return nil, false, err
		}
		if len(bases) > 20000 {
			clear(bases)
		}
		bases[key] = base
	}
	s := &submission{args: args}
	verdicts, err := f.ask(s, on, jvm)
	if err != nil {
		return nil, false, err
	}
	return f.weigh(policy, livy.KindBatch, r, body, on, verdicts, base), false, nil
}

func (f *fuzzer) modelledBase(policy *fuzzPolicy, body *create, on master) ([]*verdict, error) {
	r, err := policy.policy.Create(livy.KindBatch, "", "", bytes.NewReader(bare(livy.KindBatch, body)))
	if err != nil {
		return nil, nil //nolint:nilerr // a policy that wants more has no base
	}
	plain, err := parseCreate(r.Body)
	if err != nil {
		return nil, err
	}
	args, ok := modelBatch(plain)
	if !ok {
		return nil, nil
	}
	return f.ask(&submission{args: args}, on, true)
}

// ask asks every judge. JVMs are started for the first one, and for another one only
// where its launcher gives them other options.
func (f *fuzzer) ask(s *submission, on master, jvm bool) ([]*verdict, error) {
	c := s.judged(f.t, on, f.dir)
	var verdicts []*verdict
	for i, j := range f.judges {
		c.JVM = jvm && i == 0
		v, err := j.say(c)
		if err == nil && jvm && i > 0 && !slices.Equal(f.judges[i].options(v), f.judges[0].options(verdicts[0])) {
			c.JVM = true
			v, err = j.say(c)
		} else if err == nil && jvm && i > 0 && strings.HasPrefix(verdicts[0].Error, "jvm:") {
			v.Error = verdicts[0].Error // the same JVM, which does not start
		}
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v)
	}
	return verdicts, nil
}

// options are what a launcher gives the JVM, but for the class path.
func (j *judge) options(v *verdict) []string {
	var out []string
	for _, word := range v.Command {
		if word == "org.apache.spark.deploy.SparkSubmit" {
			break
		}
		out = append(out, strings.ReplaceAll(word, j.home, ""))
	}
	return out
}

// weigh returns the faults of all judges.
func (f *fuzzer) weigh(policy *fuzzPolicy, kind livy.Kind, r *policies.Result, body *create, on master, verdicts, base []*verdict) []string {
	var faults []string
	for i, v := range verdicts {
		f.count(&f.judged)
		if v.Error != "" {
			f.count(&f.nothing)
		}
		j := &judgement{settings: policy.settings, kind: kind, effect: r.Effective, body: body, master: on, judge: f.judges[i], verdict: v}
		if base != nil {
			j.base = base[i]
		}
		for _, fault := range j.faults() {
			faults = append(faults, "Spark "+f.judges[i].spark+": "+fault)
		}
	}
	return faults
}

// real judges one session or batch by a real Livy.
func (f *fuzzer) real(t *testing.T, server *recordingLivy, p *pieces, bases map[string][]*verdict) {
	policy := &f.policies[p.rng.IntN(len(f.policies))]
	kind, target := livy.KindBatch, "/batches"
	if p.chance(40) {
		kind, target = livy.KindSession, "/sessions"
	}
	m := p.create(kind == livy.KindBatch)
	f.count(&f.tried)
	masters := mastersOf(policy.settings.Master)
	on := masters[p.rng.IntN(len(masters))]
	r := f.pass(policy, kind, m)
	if r == nil {
		return
	}
	f.count(&f.through)
	f.count(&f.live)
	mark := f.complete(t, r)
	body := readCreate(t, r.Body)
	status, text := server.send(t, "POST", target, nil, r.Body)
	if status != 201 {
		f.count(&f.liveRefused)
		if status == 500 && strings.Contains(text, "Exception") {
			t.Logf("Livy answers 500: %.200s\nto %s", text, r.Body)
		}
		return
	}
	s := server.nextWith(t, mark)
	var base []*verdict
	var err error
	if kind == livy.KindBatch {
		args, ok := modelBatch(body)
		if f.count(&f.compared); !ok || !sameCall(s.args, args) {
			f.fail(fmt.Errorf("the model of Livy is wrong: it says %q (%v), Livy %q\nfor %s", args, ok, s.args, r.Body))
			return
		}
		key := fmt.Sprint(policy.name, on, body.File, " ", body.ClassName)
		if base = bases[key]; base == nil {
			base, err = f.modelledBase(policy, body, on)
			bases[key] = base
		}
	} else {
		key := fmt.Sprint(policy.name, on, body.Kind)
		if base = bases[key]; base == nil {
			if plain := f.realBase(t, server, policy, kind, body); plain != nil {
				base, err = f.ask(plain, on, true)
				bases[key] = base
			}
		}
	}
	if err != nil {
		f.fail(err)
		return
	}
	verdicts, err := f.ask(s, on, wantsJVM(m) || p.chance(10))
	if err != nil {
		f.fail(err)
		return
	}
	if faults := f.weigh(policy, kind, r, body, on, verdicts, base); len(faults) > 0 {
		f.report(policy, m, on, faults, bases)
	}
}

// complete does what the gateway does before it sends a create: a name where there is
// none, and settings of its own. By one of them the call is known, since Livy starts
// some sessions that it then refuses.
func (f *fuzzer) complete(t testing.TB, r *policies.Result) (mark string) {
	t.Helper()
	f.mark++
	mark = fmt.Sprintf("call%dof", f.mark)
	if err := r.Complete(mark, map[string]string{"spark.livygateway.call": mark}); err != nil {
		t.Fatal(err)
	}
	return mark
}

// realBase is the call for a session for which the client sets nothing.
func (f *fuzzer) realBase(t testing.TB, server *recordingLivy, policy *fuzzPolicy, kind livy.Kind, body *create) *submission {
	t.Helper()
	r, err := policy.policy.Create(kind, "", "", bytes.NewReader(bare(kind, body)))
	if err != nil {
		return nil
	}
	mark := f.complete(t, &r)
	if status, text := server.send(t, "POST", "/sessions", nil, r.Body); status != 201 {
		t.Fatalf("Livy answers %d: %s\nto %s", status, text, r.Body)
	}
	return server.nextWith(t, mark)
}
