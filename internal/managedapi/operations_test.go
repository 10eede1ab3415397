package managedapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

func (w *world) get(id string) (d detailedCompute) {
	w.t.Helper()
	w.must("GetLivyCompute", "GET", computesPath+"/"+id, "", &d)
	return d
}

func (w *world) await(id, status string) detailedCompute {
	w.t.Helper()
	for range 1000 {
		if d := w.get(id); d.Status == status {
			return d
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("gateway is %+v", w.get(id))
	return detailedCompute{}
}

// TestComputes has the operations on gateways.
func TestComputes(t *testing.T) {
	t.Parallel()
	w, other := newWorlds(t)
	var created struct {
		LivyComputeID string `json:"livyComputeId"`
	}
	w.must("CreateLivyCompute", "PUT", computesPath+"?regionId=cn-hangzhou", `{
		"name":"etl","authType":"Token","livyVersion":"0.8.0","displayReleaseVersion":"esr-4.3.0 (Spark 3.5.2, Scala 2.12)",
		"fusion":true,"queueName":"root.etl","cpuLimit":"2","memoryLimit":"8","networkName":"vpc-net","environmentId":"ev-analytics",
		"enablePublic":true,"livyServerConf":"{\"sparkDefaultsConf\":\"spark.driver.cores 1\\n\",\"sparkBlackListConf\":\"spark.driver.memory\",\"livyConf\":\"livy.server.session.timeout 1h\",\"livyClientConf\":\"livy.rsc.sql.num-rows 1000\"}",
		"autoStartConfiguration":{"enable":true},"autoStopConfiguration":{"enable":true,"idleTimeoutMinutes":30}}`, &created)
	id := created.LivyComputeID
	d := w.await(id, "RUNNING")
	on, minutes := true, 30
	want := detailedCompute{
		compute: compute{
			ComputeID: id, Name: "etl", Status: "RUNNING", QueueName: "root.etl", CreatedBy: vectorID,
			Endpoint:      "public.example.com/api/v1/workspace/default/livycompute/" + id,
			EndpointInner: "inner.example.com:8080/api/v1/workspace/default/livycompute/" + id,
			GmtCreate:     d.GmtCreate, StartTime: d.StartTime,
		},
		AuthType: "Token", LivyVersion: "0.8.0", DisplayReleaseVersion: "esr-4.3.0 (Spark 3.5.2, Scala 2.12)", ReleaseVersion: "esr-4.3.0 (Spark 3.5.2, Scala 2.12)",
		CPULimit: "2", MemoryLimit: "8Gi", NetworkName: "vpc-net", EnvironmentID: "ev-analytics", Fusion: true, EnablePublic: true,
		LivyServerConf:        `{"sparkDefaultsConf":"spark.driver.cores 1\n","sparkBlackListConf":"spark.driver.memory","livyConf":"livy.server.session.timeout 1h","livyClientConf":"livy.rsc.sql.num-rows 1000"}`,
		AutoStopConfiguration: autoStop{&on, &minutes},
	}
	if got, want := fmt.Sprint(toJSON(t, d)), fmt.Sprint(toJSON(t, want)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if age := time.Since(time.UnixMilli(d.StartTime)); d.StartTime < d.GmtCreate || age > time.Minute {
		t.Errorf("created at %d, started at %d", d.GmtCreate, d.StartTime)
	}
	second := w.create("adhoc")
	for query, want := range map[string]string{"": "adhoc etl", "?environmentId=ev-analytics": "etl", "?environmentId=none": ""} {
		var list struct {
			LivyComputes []compute `json:"livyComputes"`
		}
		other.must("ListLivyCompute", "GET", computesPath+query, "", &list)
		var names []string
		for _, c := range list.LivyComputes {
			names = append(names, c.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("list%s: %q, want %q", query, got, want)
		}
	}

	// What a change does not name stays.
	w.must("UpdateLivyCompute", "POST", computesPath+"/"+id, `{"memoryLimit":"16Gi","fusion":true,"autoStopConfiguration":{"enable":false}}`, nil)
	if d = w.get(id); d.MemoryLimit != "16Gi" || d.CPULimit != "2" || !d.Fusion || *d.AutoStopConfiguration.Enable || d.QueueName != "root.etl" {
		t.Errorf("after a change: %+v", d)
	}
	w.must("UpdateLivyCompute", "POST", computesPath+"/"+id, `{"fusion":false,"displayReleaseVersion":"spark-3.4 (Spark 3.4.4)"}`, nil)
	if d = w.get(id); d.Fusion || d.DisplayReleaseVersion != "spark-3.4 (Spark 3.4.4)" {
		t.Errorf("after a change: %+v", d)
	}
	if got := w.ask("DeleteLivyCompute", "DELETE", computesPath+"/"+id, ""); got.status != 409 || got.Code != "Conflict" {
		t.Errorf("deleting a running gateway: %s", &got)
	}
	w.must("StopLivyCompute", "POST", computesPath+"/"+id+"/stop", "", nil)
	w.await(id, "STOPPED")
	w.must("StartLivyCompute", "POST", computesPath+"/"+second+"/start", "", nil)
	w.await(second, "RUNNING")
	w.must("StopLivyCompute", "POST", computesPath+"/"+second+"/stop", "", nil)
	if got := w.must("DeleteLivyCompute", "DELETE", computesPath+"/"+id, "", nil); got.Code != "1000000" || got.Msg != "ok" || got.Data != nil {
		t.Errorf("deleted: %s", &got)
	}
	if got := w.ask("GetLivyCompute", "GET", computesPath+"/"+id, ""); got.status != 404 || got.Code != "EntityNotExist" {
		t.Errorf("after that: %s", &got)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTokens has the operations on tokens. The text of a token that the gateway made can be read
// once, by who made it.
func TestTokens(t *testing.T) {
	t.Parallel()
	w, other := newWorlds(t)
	w.plant("lcak-operator00000000", "the-operators-secret", "operator", "default")
	w.plant("lcak-admin2000000000", "another-admins-secret", "admin", "default")
	id := w.create("etl")
	tokensPath := computesPath + "/" + id + "/token"
	create := func(body string) string {
		var made struct {
			TokenID string `json:"tokenId"`
			Token   string `json:"token"`
		}
		w.must("CreateLivyComputeToken", "PUT", tokensPath, body, &made)
		if made.Token != "" {
			t.Error("the reply of a creation has a text")
		}
		return made.TokenID
	}
	read := func(from *world, id string) (d detailedToken) {
		t.Helper()
		from.must("GetLivyComputeToken", "GET", tokensPath+"/"+id, "", &d)
		return d
	}
	valid := func(text string) error {
		_, err := w.server.Tokens.Verify(t.Context(), id, text, attempt)
		return err
	}

	const chosen = "a-text-of-the-clients-choice"
	first := create(`{"name":"airflow","token":"` + chosen + `","autoExpireConfiguration":{"enable":true,"expireDays":30}}`)
	if d := read(other, first); d.Token != maskedText || d.Name != "airflow" || d.CreatedBy != vectorID || *d.AutoExpireConfiguration.ExpireDays != 30 ||
		d.ExpireTime-d.CreateTime != (30*24*time.Hour).Milliseconds() {
		t.Errorf("read %+v", d)
	}
	if err := valid(chosen); err != nil {
		t.Errorf("the chosen text: %v", err)
	}

	made := create(`{"name":"jupyter"}`)
	for id, secret := range map[string]string{"lcak-operator00000000": "the-operators-secret", "lcak-admin2000000000": "another-admins-secret"} {
		if got := w.askAs(id, secret, "GetLivyComputeToken", "GET", tokensPath+"/"+made, ""); got.status != 200 || !strings.Contains(got.text, maskedText) {
			t.Errorf("%s reads %s", id, &got)
		}
	}
	text := read(other, made).Token
	if err := valid(text); err != nil {
		t.Errorf("the text that was made: %v", err)
	}
	for _, from := range []*world{w, other} {
		if d := read(from, made); d.Token != maskedText {
			t.Error("the text can be read twice")
		}
	}

	// Refreshing replaces the text.
	w.must("RefreshLivyComputeToken", "POST", tokensPath+"/"+made, `{"name":"notebooks","autoExpireConfiguration":{"expireDays":7}}`, nil)
	d := read(w, made)
	if valid(text) == nil || valid(d.Token) != nil || d.Name != "notebooks" {
		t.Errorf("after a refresh: %+v; the old text: %v, the new one: %v", d, valid(text), valid(d.Token))
	}
	w.must("RefreshLivyComputeToken", "POST", tokensPath+"/"+made, `{"token":"another-text-of-the-client"}`, nil)
	if err := valid("another-text-of-the-client"); err != nil || read(w, made).Token != maskedText {
		t.Errorf("after a refresh with a text: %v", err)
	}

	var list struct {
		Tokens []map[string]any `json:"tokens"`
	}
	w.must("ListLivyComputeToken", "GET", tokensPath, "", &list)
	if len(list.Tokens) != 2 || list.Tokens[1]["createdby"] != vectorID || list.Tokens[1]["token"] != maskedText {
		t.Errorf("list %v", list)
	}
	w.must("DeleteLivyComputeToken", "DELETE", tokensPath+"/"+first, "", nil)
	if got := w.ask("GetLivyComputeToken", "GET", tokensPath+"/"+first, ""); got.status != 404 || valid(chosen) == nil {
		t.Errorf("after a deletion: %s", &got)
	}
	for body, want := range map[string]string{
		`{"name":"x","token":"short"}`:                                 "token:",
		`{"name":"x","autoExpireConfiguration":{"enable":false}}`:      "autoExpireConfiguration.enable:",
		`{"name":"x","autoExpireConfiguration":{"expireDays":0}}`:      "autoExpireConfiguration.expireDays:",
		`{"token":"a-text-of-enough-characters"}`:                      "name:",
		`{"name":"x","token":"another-text-of-the-client"}`:            "token:",
		`{"name":"x","members":["ann"]}`:                               "members",
		`{"name":"x","autoExpireConfiguration":{"expireDays":"soon"}}`: "expireDays",
		`{"name":"x"} {"name":"y"}`:                                    "JSON object",
		`{"name":"x","token":"with a space in it"}`:                    "token:",
	} {
		if got := w.ask("CreateLivyComputeToken", "PUT", tokensPath, body); got.status < 400 || !strings.Contains(got.Msg, want) || strings.Contains(got.text, "another-text-of-the-client") {
			t.Errorf("%s: %s", body, &got)
		}
	}
}

// TestWithoutSealingKey: a token needs a text from the client, since none can be kept, and
// signatures cannot be checked.
func TestWithoutSealingKey(t *testing.T) {
	t.Parallel()
	w, _ := newWorlds(t)
	id := w.create("etl")
	secret := w.adminToken(id)
	w.server.Keys.Configure(nil)
	if got := w.ask("GetLivyCompute", "GET", computesPath+"/"+id, ""); got.status != 503 || !strings.Contains(got.Msg, "sealing_key") {
		t.Errorf("signed: %s", &got)
	}
	if got := w.bearer(secret, "CreateLivyComputeToken", "PUT", computesPath+"/"+id+"/token", `{"name":"x"}`); got.status != 400 || !strings.Contains(got.Msg, "sealing_key") {
		t.Errorf("a token without a text: %s", &got)
	}
	if got := w.bearer(secret, "CreateLivyComputeToken", "PUT", computesPath+"/"+id+"/token", `{"name":"x","token":"a-text-of-the-clients-choice"}`); got.status != 200 {
		t.Errorf("a token with a text: %s", &got)
	}
}

// TestSessions lists records with their figures, in pages.
func TestSessions(t *testing.T) {
	t.Parallel()
	w, _ := newWorlds(t)
	id := w.create("etl")
	at := time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)
	states := []string{"success", "dead", "killed", "idle", "starting", "shutting_down", "gone"}
	for i, state := range states {
		r := &store.Record{
			ID: fmt.Sprintf("livy-%016d", i), GatewayID: id, Kind: "session", PublicID: int64(i), LivyID: int64(i), Epoch: 1, Name: fmt.Sprint("n", i), State: state,
			Reason: "because", Resources: json.RawMessage(`{"kind":"pyspark","queue":"root.etl","conf":{"a":"b"}}`), SparkUI: "/api/v1/workspace/default/livycompute/" + id + "/spark-ui/x",
			MilliCPU: 2000, MemoryMB: 4096, Created: at.Add(time.Duration(i) * time.Minute), Started: at.Add(time.Duration(i) * time.Minute),
		}
		if i < 3 || i == 6 {
			r.Ended, r.VCoreSeconds, r.MBSeconds = r.Started.Add(30*time.Minute), 3600, 7372800
		}
		if err := w.store.SaveRecords(t.Context(), store.Fence{}, id, r); err != nil {
			t.Fatal(err)
		}
	}
	sessionsPath := "/api/v1/workspaces/" + workspaceID + "/livycompute/" + id + "/session"
	list := func(query string) (l sessionList) {
		t.Helper()
		got := w.must("ListLivyComputeSessions", "GET", sessionsPath+query, "", nil)
		if err := json.Unmarshal([]byte(got.text), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	all := list("")
	var seen []string
	for _, s := range all.Sessions {
		seen = append(seen, s.State)
	}
	if got := strings.Join(seen, " "); all.TotalCount != int64(len(states)) || got != "terminated terminating starting running terminated error terminated" {
		t.Errorf("%d in the states %s", all.TotalCount, got)
	}
	last := all.Sessions[6]
	want := session{
		SessionID: "livy-0000000000000000", ComputeID: id, Name: "n0", Queue: "root.etl", State: "terminated", Info: "because",
		SparkConf: `{"kind":"pyspark","queue":"root.etl","conf":{"a":"b"}}`, WebUI: last.WebUI,
		CreateTime: at.UnixMilli(), EndTime: at.Add(30 * time.Minute).UnixMilli(), CUHours: 1, MBSeconds: 7372800, VCoreSeconds: 3600,
	}
	if last != want {
		t.Errorf("got  %+v\nwant %+v", last, want)
	}
	if !strings.HasPrefix(last.WebUI, "https://"+testHost+"/api/v1/workspace/default/livycompute/") {
		t.Errorf("webUI %q", last.WebUI)
	}
	if live := all.Sessions[3]; live.VCoreSeconds < 3600 || live.MBSeconds < 4096*3600 || live.CUHours < 1 || live.EndTime != 0 {
		t.Errorf("a live session: %+v", live)
	}
	if page := list("?pageNum=2&pageSize=3&regionId=cn-hangzhou"); page.TotalCount != 7 || len(page.Sessions) != 3 || page.Sessions[0].Name != "n3" {
		t.Errorf("a page: %+v", page)
	}
	if page := list("?pageNum=9"); page.TotalCount != 7 || len(page.Sessions) != 0 || page.Sessions == nil {
		t.Errorf("a page after the last: %+v", page)
	}
	for query, want := range map[string]string{"?pageSize=101": "pageSize", "?pageNum=0": "pageNum", "?pageSize=x": "pageSize", "?state=idle": "state"} {
		if got := w.ask("ListLivyComputeSessions", "GET", sessionsPath+query, ""); got.status != 400 || !strings.HasPrefix(got.Msg, want+":") {
			t.Errorf("%s: %s", query, &got)
		}
	}
}

// TestFieldsThatCannotBeHonoured: they are refused by name, and nothing changes.
func TestFieldsThatCannotBeHonoured(t *testing.T) {
	t.Parallel()
	w, _ := newWorlds(t)
	id := w.create("etl")
	for _, tt := range []struct{ body, want string }{
		{`{"name":"x","authType":"LDAP"}`, "authType:"},
		{`{"name":"x","cpuLimit":"3"}`, "cpuLimit:"},
		{`{"name":"x","cpuLimit":"many"}`, "cpuLimit:"},
		{`{"name":"x","cpuLimit":1}`, "cpuLimit"},
		{`{"name":"x","memoryLimit":"5Gi"}`, "memoryLimit:"},
		{`{"name":"x","memoryLimit":"4Mi"}`, "memoryLimit:"},
		{`{"name":"x","displayReleaseVersion":"esr-9"}`, "displayReleaseVersion:"},
		{`{"name":"x","displayReleaseVersion":"spark-3.4","releaseVersion":"spark-3.5"}`, "elease"},
		{`{"name":"x","livyVersion":"0.9.0"}`, "livyVersion:"},
		{`{"name":"x","queueName":"root.foreign"}`, "queueName:"},
		{`{"name":"x","networkName":"none"}`, "networkName:"},
		{`{"name":"x","environmentId":"none"}`, "environmentId:"},
		{`{"name":"x","livyServerConf":"{\"coreSite\":\"\"}"}`, "coreSite"},
		{`{"name":"x","livyServerConf":"spark.driver.cores 1"}`, "livyServerConf:"},
		{`{"name":"x","autoStopConfiguration":{"enable":true,"idleTimeoutMinutes":-1}}`, "autoStopConfiguration.idleTimeoutMinutes:"},
		{`{"name":"x","mountFileDirectory":true}`, "mountFileDirectory"},
		{`{"name":"Wrong_Name"}`, "name:"},
		{`{"name":"etl"}`, "name:"},
		{`{}`, "name:"},
		{``, "name:"},
		{`[]`, "JSON"},
	} {
		if got := w.ask("CreateLivyCompute", "PUT", computesPath, tt.body); got.status < 400 || got.status > 499 || !strings.Contains(got.Msg, tt.want) {
			t.Errorf("%s: %s", tt.body, &got)
		}
	}
	for _, tt := range []struct{ body, want string }{
		{`{"autoStartConfiguration":{"enable":true}}`, "autoStartConfiguration.enable:"}, {`{"fusion":"yes"}`, "fusion"}, {`{"id":"lc-x"}`, "id"},
	} {
		if got := w.ask("UpdateLivyCompute", "POST", computesPath+"/"+id, tt.body); got.status != 400 || !strings.Contains(got.Msg, tt.want) {
			t.Errorf("%s: %s", tt.body, &got)
		}
	}
	if got := w.ask("StartLivyCompute", "POST", computesPath+"/"+id+"/start", `{"force":true}`); got.status != 400 || !strings.Contains(got.Msg, "force") {
		t.Errorf("a body where there is none: %s", &got)
	}
	all, err := w.store.Gateways(t.Context())
	if err != nil || len(all) != 1 || all[0].Revision != 1 || all[0].Status.State != gateway.StateCreated {
		t.Errorf("gateways after all this: %+v, %v", all, err)
	}
}
