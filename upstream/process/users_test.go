package process

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

func TestExpandUsers(t *testing.T) {
	for _, tt := range []struct {
		list []string
		want string // joined, or the beginning of the rule that is broken
	}{
		{nil, ""},
		{[]string{"ann", "bob"}, "ann bob"},
		{[]string{"livygw[9-11]", "ann"}, "livygw9 livygw10 livygw11 ann"},
		{[]string{"livygw[2-1]"}, "users: must be an ascending range"},
		{[]string{"livygw[1-10001]"}, "users: must be an ascending range"},
		{[]string{"livygw[1-]"}, "users: must be a user's name, or a range"},
		{[]string{"livygw[1-2]x"}, "users: must be a user's name, or a range"},
		{[]string{"[1-2]"}, "users: must be a user's name, or a range"},
	} {
		names, err := expandUsers(tt.list)
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%q: %s, want %s", tt.list, got, tt.want)
		}
	}
}

func TestLoopbackAddresses(t *testing.T) {
	for uid, want := range map[uint32]string{1: "127.128.0.1", 999: "127.128.3.231", 65536 + 5: "127.129.0.5", maxUID: "127.255.255.255"} {
		if got := loopback(uid).String(); got != want {
			t.Errorf("user %d has %s, want %s", uid, got, want)
		}
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root starts processes of other users")
	}
}

// systemUsers are users that every Debian has and that run nothing here.
func systemUsers(t *testing.T) []string {
	t.Helper()
	busy := map[uint32]bool{}
	for _, uid := range userIDs() {
		busy[uid] = true
	}
	var names []string
	for _, name := range []string{"games", "lp", "news", "uucp", "proxy", "list", "irc", "backup"} {
		if cred, err := credential("users", name); err == nil && !busy[cred.Uid] {
			names = append(names, name)
		}
	}
	if len(names) < 2 {
		t.Skip("needs two users of the machine that run nothing")
	}
	return names[:2]
}

// openDir is a directory that every user can pass through.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "livygw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBadUsers(t *testing.T) {
	needRoot(t)
	names := systemUsers(t)
	for want, o := range map[string]Options{
		"must not be set together":             {User: names[0], Users: names},
		"must be a user of this":               {Users: []string{"nobody-of-that-name"}},
		"user id of its own":                   {Users: []string{names[0], names[0]}},
		"must not be the user that runs Caddy": {Users: []string{"root"}},
	} {
		o.StateDir = t.TempDir()
		if _, err := New(o, zaptest.NewLogger(t)); gateway.KindOf(err) != gateway.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

// Two gateways with users of their own: a job of one reaches neither the other's
// server nor its files, nor ours, while each reaches its own, and we reach both.
func TestUsersOfTheirOwn(t *testing.T) {
	needRoot(t)
	names := systemUsers(t)
	r := newRuntime(t, Options{Users: names, StateDir: openDir(t)})
	one, two := launch(t, fakeEngine(t)), launch(t, fakeEngine(t))
	two.GatewayID = "lc-2"
	a, b := started(t, r, one), started(t, r, two)
	if there, err := r.guarded().present(); err != nil || !there {
		t.Skipf("needs nftables: %v", err)
	}
	if host, _ := r.DriverHost(t.Context(), "lc-2"); !strings.HasPrefix(b.Address, host+":") || !strings.HasPrefix(host, "127.128.") {
		t.Errorf("drivers of %s are at %s", b.Address, host)
	}
	for _, pair := range [][2]upstream.Instance{{a, b}, {b, a}} {
		own, other := pair[0], pair[1]
		dial := func(to string) string { return upstreamtest.Get(t, own.Address, "/dial?to="+to) }
		if got := dial(own.Address); got != "connected" {
			t.Errorf("a job and its own Livy: %s", got)
		}
		if got := dial(other.Address); !strings.Contains(got, "refused") {
			t.Errorf("a job and another gateway's Livy: %s", got)
		}
		// A port on which nobody listens says so at once, as ever.
		if got := dial(own.Address[:strings.LastIndexByte(own.Address, ':')] + ":1"); !strings.Contains(got, "refused") {
			t.Errorf("a job and a closed port: %s", got)
		}
		d := r.dirs(other.GatewayID, 0)
		for _, file := range []string{d.state, d.log, filepath.Join(d.conf, "livy.conf"), filepath.Join(d.work, "logs")} {
			if got := upstreamtest.Get(t, own.Address, "/read?file="+file); !strings.Contains(got, "permission denied") {
				t.Errorf("a job and %s: %s", file, got)
			}
		}
	}
	// Other services of the machine are not touched.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := upstreamtest.Get(t, a.Address, "/dial?to="+l.Addr().String()); got != "connected" {
		t.Errorf("a job and a service of this machine: %s", got)
	}
	// A third gateway has to wait for a user.
	three := launch(t, fakeEngine(t))
	three.GatewayID = "lc-3"
	if _, err := r.Start(t.Context(), three); gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), "none of the 2 users") {
		t.Errorf("a third server on two users: %v", err)
	}
	if err := r.Stop(t.Context(), "lc-2", upstream.AnyEpoch); err != nil {
		t.Fatal(err)
	}
	if c := started(t, r, three); c.Address[:strings.LastIndexByte(c.Address, ':')] != b.Address[:strings.LastIndexByte(b.Address, ':')] {
		t.Errorf("the user that is free has %s, the third server is at %s", b.Address, c.Address)
	}
}

// The guard comes back when a firewall was loaded anew, and another process of ours
// finds it.
func TestTheGuardComesBack(t *testing.T) {
	needRoot(t)
	now := time.Now()
	names, dir := systemUsers(t), openDir(t)
	r := newRuntime(t, Options{Users: names, StateDir: dir, Now: func() time.Time { return now }})
	started(t, r, launch(t, fakeEngine(t)))
	if there, err := r.guarded().present(); err != nil || !there {
		t.Skipf("needs nftables: %v", err)
	}
	if got := r.examineGuard("x"); got.Status != doctor.OK {
		t.Errorf("the doctor says %+v", got)
	}
	if err := r.guarded().remove(); err != nil {
		t.Fatal(err)
	}
	if got := r.examineGuard("x"); got.Status != doctor.Warn {
		t.Errorf("without a table the doctor says %+v", got)
	}
	find := func() bool {
		if _, _, err := r.Find(t.Context(), "lc-1"); err != nil {
			t.Fatal(err)
		}
		there, err := r.guarded().present()
		return there && err == nil
	}
	if now = now.Add(guardEvery / 2); find() {
		t.Error("it was looked for too early")
	}
	if now = now.Add(guardEvery); !find() {
		t.Error("it does not come back")
	}
	// A configuration without the user of a server that still runs goes on guarding it.
	server, _, err := r.dirs("lc-1", 0).readState()
	if err != nil {
		t.Fatal(err)
	}
	pool := r.pool
	r.pool = slices.DeleteFunc(slices.Clone(pool), func(a account) bool { return a.uid() == server.UID })
	if !slices.Contains(r.guarded().uids, server.UID) {
		t.Errorf("user %d of a running server is not guarded", server.UID)
	}
	r.pool = pool
	if err := r.Stop(t.Context(), "lc-1", upstream.AnyEpoch); err != nil {
		t.Fatal(err)
	}
	if there, err := r.guarded().present(); there || err != nil {
		t.Errorf("with no server left the guard is there: %v, %v", there, err)
	}
}

// Whatever a job of such a user left is ended with its server.
func TestStopEndsAllOfAUser(t *testing.T) {
	needRoot(t)
	r := newRuntime(t, Options{Users: systemUsers(t)[:1], StateDir: openDir(t), Cgroup: NoCgroup})
	started(t, r, launch(t, fakeEngine(t)))
	// As a job would that is started by something else, such as cron.
	cmd := exec.Command("/bin/sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: r.pool[0].cred, Setsid: true}
	cmd.Env = []string{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	// Meanwhile the user counts as taken for others.
	if _, err := r.takeUser("lc-2"); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("a user that runs something was given away: %v", err)
	}
	if err := r.Stop(t.Context(), "lc-1", upstream.AnyEpoch); err != nil {
		t.Fatal(err)
	}
	if running(cmd.Process.Pid) {
		t.Error("a process of the server's user outlived it")
	}
}

func TestServersOfOtherUsersGainNoRights(t *testing.T) {
	needRoot(t)
	r := newRuntime(t, Options{User: "nobody", StateDir: openDir(t)})
	inst := started(t, r, launch(t, fakeEngine(t)))
	pid, _, _ := strings.Cut(inst.ID, "-")
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil || !strings.Contains(string(text), "NoNewPrivs:\t1") || !strings.Contains(string(text), "Groups:\t \n") && !strings.Contains(string(text), "Groups:\t\n") {
		t.Errorf("the server could change its user, or has groups: %v\n%s", err, text)
	}
}

// A user that cannot get to its files is told which directory is in the way.
func TestAUserThatCannotGetThere(t *testing.T) {
	needRoot(t)
	closed := openDir(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	r := newRuntime(t, Options{User: "nobody", StateDir: filepath.Join(closed, "deep", "state")})
	_, err := r.Start(t.Context(), launch(t, fakeEngine(t)))
	if gateway.KindOf(err) != gateway.KindInvalid || !strings.Contains(err.Error(), "because of "+closed+" (drwx------)") {
		t.Errorf("Start: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(closed, "deep", "state", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	results := r.examineUsers(t.Context(), &gateway.Catalog{Engines: []gateway.Engine{fakeEngine(t)}})
	if results[0].Status != doctor.Fail || !strings.Contains(results[0].Summary, closed) {
		t.Errorf("the doctor says %+v", results)
	}
	link := filepath.Join(openDir(t), "link")
	if err := os.Symlink(filepath.Join(closed, "deep"), link); err != nil {
		t.Fatal(err)
	}
	if err := r.one.reaches(t.Context(), link); err == nil || !strings.Contains(err.Error(), closed) {
		t.Errorf("through a link: %v", err)
	}
}

// A driver that takes more than the gateway has is ended, and the server lives.
func TestMemoryOfDriversIsBounded(t *testing.T) {
	needRoot(t)
	r := newRuntime(t, Options{})
	if _, err := r.findBounds(); err != nil {
		t.Skipf("needs cgroups: %v", err)
	}
	l := launch(t, fakeEngine(t))
	l.Memory = 256 << 20
	inst := started(t, r, l)
	s, _, _, err := r.newest("lc-1")
	if err != nil || len(s.Cgroups) == 0 || !slices.Contains(group(s.Cgroups).pids(), s.PID) {
		t.Fatalf("state %+v, %v", s, err)
	}
	hungry, err := strconv.Atoi(upstreamtest.Get(t, inst.Address, "/spawn?how=hungry"))
	if err != nil {
		t.Fatal(err)
	}
	// Another process of ours supervises on.
	again := newRuntime(t, Options{StateDir: r.opts.StateDir})
	if now, ok, err := again.Find(t.Context(), "lc-1"); err != nil || !ok || !now.Running {
		t.Fatalf("Find: %+v %v %v", now, ok, err)
	}
	if got := words(fmt.Sprintf("/proc/%d/oom_score_adj", hungry)); running(hungry) && !slices.Equal(got, []string{strconv.Itoa(driverScore)}) {
		t.Errorf("the driver's score is %v", got)
	}
	for end := time.Now().Add(time.Minute); running(hungry); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the driver took more than the gateway has, and lives")
		}
	}
	resp, err := http.Get("http://" + inst.Address + "/version")
	if err != nil {
		t.Fatalf("the server died with its driver: %v", err)
	}
	_ = resp.Body.Close()
	if err := again.Stop(t.Context(), "lc-1", upstream.AnyEpoch); err != nil {
		t.Fatal(err)
	}
	for _, dir := range s.Cgroups {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("cgroup %s was left", dir)
		}
	}
}
