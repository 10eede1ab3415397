package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/store"
)

func etl(w *world) { w.must("gateway create etl --cpu 2 --memory 8Gi --queue root.etl", nil) }

func running(w *world) {
	w.must("gateway create etl --cpu 2 --memory 8Gi --queue root.etl --start --wait", nil)
}

func token(w *world) {
	etl(w)
	var tok api.NewToken
	w.must("token create --gateway etl --name airflow --expire-days 90 --scope batches,read --cidr 10.0.0.0/8 --max-batches 20", &tok)
	w.vars["TOKEN"] = tok.ID
	// Tokens are listed by the millisecond in which they were made.
	for made := time.Now().UnixMilli(); time.Now().UnixMilli() == made; {
		runtime.Gosched()
	}
	w.must("token create --gateway etl --name a-token-with-a-name-that-is-longer-than-what-fits-a-line", nil)
}

// accessKey makes an access key, and waits until keys can be listed in order.
func accessKey(w *world) {
	var key api.NewAccessKey
	w.must("access-key create --name platform-of-somebody-who-likes-long-names --role admin --in *", &key)
	w.vars["KEY"] = key.ID
	for made := time.Now().UnixMilli(); time.Now().UnixMilli() == made; {
		runtime.Gosched()
	}
}

// records makes a gateway that runs, with a live session and a batch that ended.
func records(w *world) {
	running(w)
	resp, err := http.Post(w.livyURL+"/sessions", "application/json", strings.NewReader(`{"kind":"pyspark"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	_ = resp.Body.Close()
	var g api.Gateway
	w.must("gateway show etl", &g)
	at := time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)
	live := &store.Record{
		ID: "livy-aaaaaaaaaaaaaaaa", GatewayID: g.ID, Kind: "session", PublicID: 0, LivyID: 0, Epoch: g.Status.Epoch,
		Name: "notebook-of-somebody-who-likes-long-names-very-much", State: "idle", AppID: "local-1700000000000",
		TokenID: "lctk-aaaaaaaaaaaaaaaa", TokenName: "jupyter", ClientAddr: "10.0.0.7",
		Resources: json.RawMessage(`{"kind":"pyspark","driverMemory":"2g","driverCores":1}`),
		SparkUI:   "/api/v1/workspace/default/livycompute/etl/ui/livy-aaaaaaaaaaaaaaaa",
		Created:   at, Started: at.Add(time.Minute), Updated: at.Add(time.Minute),
	}
	ended := &store.Record{
		ID: "livy-bbbbbbbbbbbbbbbb", GatewayID: g.ID, Kind: "batch", PublicID: 0, LivyID: 1, Epoch: g.Status.Epoch,
		Name: "nightly", State: "dead", Reason: "exit code 1", TokenID: "lctk-bbbbbbbbbbbbbbbb", TokenName: "airflow", ClientAddr: "10.0.0.8",
		MilliCPU: 2000, MemoryMB: 4096, VCoreSeconds: 1200, MBSeconds: 2457600,
		Policy:  json.RawMessage(`{"ignored":[{"key":"spark.driver.memory","given":"64g","rule":"blacklisted","source":"spark-blacklist.conf:1"}]}`),
		Log:     []string{"Traceback (most recent call last):\n", "ValueError: no such table\n"},
		Created: at.Add(-time.Hour), Started: at.Add(-time.Hour), Updated: at,
	}
	ctx := context.Background()
	if err := w.store.SaveRecords(ctx, store.Fence{}, g.ID, live, ended); err != nil {
		w.t.Fatal(err)
	}
	ended.Ended = at.Add(-50 * time.Minute) // what it used counts when it ends
	if err := w.store.SaveRecords(ctx, store.Fence{}, g.ID, ended); err != nil {
		w.t.Fatal(err)
	}
	if err := w.store.SaveStatement(ctx, g.ID, &store.Statement{
		SessionID: 0, StatementID: 0, TokenID: "lctk-aaaaaaaaaaaaaaaa", TokenName: "jupyter", CodeHash: strings.Repeat("0f", 32),
		Code: "spark.sql('select count(*) from events').show()\nprint('this is quite a lot of code')", Submitted: at, Status: "ok", DurationMs: 1234,
	}); err != nil {
		w.t.Fatal(err)
	}
}

func policy(w *world) {
	w.vars["BLACKLIST"] = w.file("blacklist.conf", "spark.driver.memory\n")
	w.vars["RULES"] = w.file("policy.rules", "max spark.executor.memory 8g lower\nmax spark.executor.cores 4\n")
	w.vars["BODY"] = w.file("body.json", `{"kind":"pyspark","driverMemory":"64g","executorMemory":"16g"}`)
	w.vars["BROKEN"] = w.file("broken.json", `{"kind":"pyspark"`)
	w.vars["BAD"] = w.file("bad.json", `{"kind":"pyspark","executorCores":64}`)
	w.must("gateway create etl --queue root.etl --spark-blacklist $BLACKLIST --policy-rules $RULES", nil)
	w.vars["TYPOS"] = w.file("typos.rules", "max spark.sql.shuffle.partitons 100 lower\n")
	w.vars["RULES"] = w.file("new.rules", "max spark.driver.memory 1g lower\nmax spark.executor.memroy 2g\n")
	w.vars["SMALL"] = w.file("small.json", `{"kind":"pyspark"}`)
	w.must("gateway create typos --policy-rules $TYPOS", nil)
}

func down(w *world) { w.redis.Close() }

func sick(w *world) {
	w.report = doctor.Run(context.Background(), func(context.Context) []doctor.Result {
		return []doctor.Result{
			doctor.Good("redis", "127.0.0.1:6379, database 0 answers"),
			doctor.Warning("redis persistence", "append-only persistence is off and so are snapshots: all records end with Redis", `set "appendonly yes" in redis.conf, or run: redis-cli config set appendonly yes`),
			doctor.Failure("engine spark-3.5", "no image livygateway/livy:0.8.0-spark3.5.8 on the Docker engine", "build it: make image"),
		}
	})
}
