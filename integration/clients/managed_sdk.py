"""Uses all operations of the managed product's own SDK on a gateway of this project.

    managed_sdk.py HOST:PORT WORKSPACE_ID

The access key is in ACCESS_KEY_ID and ACCESS_KEY_SECRET. The last line printed is JSON with the
token texts that were in use.
"""

import json
import os
import sys
import time
import urllib.request

from alibabacloud_emr_serverless_spark20230808 import models as m
from alibabacloud_emr_serverless_spark20230808.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.models import Config

endpoint, workspace = sys.argv[1:]
sdk = Client(
    Config(
        access_key_id=os.environ["ACCESS_KEY_ID"],
        access_key_secret=os.environ["ACCESS_KEY_SECRET"],
        endpoint=endpoint,
        protocol="HTTP",
        region_id="cn-hangzhou",
    )
)
began = time.monotonic()


def say(text):
    print("%5.1f s  %s" % (time.monotonic() - began, text), flush=True)


def until(what, ready, seconds=600):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        got = ready()
        if got:
            return got
        time.sleep(0.5)
    sys.exit("still waiting for " + what)


def ok(response):
    body = response.body
    assert body.code == "1000000" and body.message == "ok" and body.request_id, body
    return body.data if hasattr(body, "data") else None


def refused(call, status, code):
    try:
        call()
    except AlibabaCloudException as e:
        assert (e.status_code, e.code) == (status, code), (e.status_code, e.code, e.message)
        return
    sys.exit("a request that has to be refused was accepted")


conf = {
    "sparkDefaultsConf": "spark.sql.shuffle.partitions 3\n",
    # A busy machine may need more than Livy's 90 seconds.
    "livyClientConf": "livy.rsc.server.connect.timeout 10m\n",
}
compute = ok(
    sdk.create_livy_compute(
        workspace,
        m.CreateLivyComputeRequest(
            name="by-sdk",
            region_id="cn-hangzhou",
            auth_type="Token",
            livy_version="0.8.0",
            display_release_version="esr-4.3.0 (Spark 3.5.2, Scala 2.12)",
            cpu_limit="1",
            memory_limit="4",
            enable_public=False,
            livy_server_conf=json.dumps(conf),
            auto_stop_configuration=m.CreateLivyComputeRequestAutoStopConfiguration(
                enable=True, idle_timeout_minutes=30
            ),
        ),
    )
).livy_compute_id
say("created " + compute)
ok(
    sdk.update_livy_compute(
        workspace, compute, m.UpdateLivyComputeRequest(memory_limit="8Gi", cpu_limit="2")
    )
)
ok(sdk.start_livy_compute(workspace, compute, m.StartLivyComputeRequest()))


def get():
    return ok(sdk.get_livy_compute(workspace, compute, m.GetLivyComputeRequest()))


def in_state(state):
    return until(state, lambda: get() if get().status == state else None)


shown = in_state("RUNNING")
say("running at " + shown.endpoint_inner)
assert (shown.cpu_limit, shown.memory_limit, shown.fusion) == ("2", "8Gi", False), shown
assert shown.display_release_version == "esr-4.3.0 (Spark 3.5.2, Scala 2.12)", shown
assert json.loads(shown.livy_server_conf)["sparkDefaultsConf"] == conf["sparkDefaultsConf"]
assert shown.auto_stop_configuration.idle_timeout_minutes == 30, shown
listed = ok(sdk.list_livy_compute(workspace, m.ListLivyComputeRequest())).livy_computes
assert [c.compute_id for c in listed] == [compute], listed
refused(
    lambda: sdk.delete_livy_compute(workspace, compute, m.DeleteLivyComputeRequest()),
    409,
    "Conflict",
)
refused(
    lambda: sdk.get_livy_compute("w-none", compute, m.GetLivyComputeRequest()),
    404,
    "WorkspaceNotExist",
)

token = ok(
    sdk.create_livy_compute_token(
        workspace,
        compute,
        m.CreateLivyComputeTokenRequest(
            name="notebook",
            auto_expire_configuration=m.CreateLivyComputeTokenRequestAutoExpireConfiguration(
                enable=True, expire_days=7
            ),
        ),
    )
).token_id


def get_token():
    got = sdk.get_livy_compute_token(workspace, compute, token, m.GetLivyComputeTokenRequest())
    return ok(got).token


first = get_token()
assert first.startswith("lgw_") and get_token() != first


def livy(method, path, body=None, text=None):
    request = urllib.request.Request(
        "http://" + shown.endpoint_inner + path,
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={
            "x-acs-spark-livy-token": text or first,
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


session = "/sessions/%d" % livy("POST", "/sessions", {"kind": "pyspark", "name": "from-sdk"})["id"]


def idle():
    got = livy("GET", session)
    if got["state"] not in ("not_started", "starting", "idle"):
        sys.exit("the session is %s: %s" % (got["state"], "\n".join(got["log"])))
    return got["state"] == "idle"


until("the session", idle)
say("a session is idle")
statement = livy("POST", session + "/statements", {"code": "spark.range(10).count()"})
path = session + "/statements/%d" % statement["id"]
done = until("the statement", lambda: (s := livy("GET", path))["state"] == "available" and s)
assert done["output"]["data"]["text/plain"] == "10", done


def sessions():
    request = m.ListLivyComputeSessionsRequest(page_num=1, page_size=10)
    return sdk.list_livy_compute_sessions(workspace, compute, request).body


body = sessions()
assert body.total_count == 1 and body.sessions[0].state == "running", body
livy("DELETE", session)
ended = until("its end", lambda: (s := sessions().sessions[0]).state == "terminated" and s)
assert ended.name == "from-sdk" and ended.compute_id == compute, ended
assert ended.vcore_seconds > 0 and ended.mb_seconds > 0 and ended.cu_hours > 0, ended
assert ended.end_time > ended.create_time and "sessions" not in (ended.web_ui or ""), ended
assert json.loads(ended.spark_conf)["kind"] == "pyspark", ended
say(
    "it is listed with %d vCore-seconds, %d MB-seconds, %.4f CU-hours"
    % (ended.vcore_seconds, ended.mb_seconds, ended.cu_hours)
)

ok(
    sdk.refresh_livy_compute_token(
        workspace,
        compute,
        token,
        m.RefreshLivyComputeTokenRequest(name="again", token="a-text-of-the-clients-own"),
    )
)
assert livy("GET", "/sessions", text="a-text-of-the-clients-own")["total"] == 0
tokens = ok(
    sdk.list_livy_compute_token(workspace, compute, m.ListLivyComputeTokenRequest())
).tokens
assert [(t.token_id, t.name) for t in tokens] == [(token, "again")], tokens
ok(
    sdk.delete_livy_compute_token(
        workspace, compute, token, m.DeleteLivyComputeTokenRequest()
    )
)
refused(get_token, 404, "EntityNotExist")
ok(sdk.stop_livy_compute(workspace, compute, m.StopLivyComputeRequest()))
in_state("STOPPED")
ok(sdk.delete_livy_compute(workspace, compute, m.DeleteLivyComputeRequest()))
listed = ok(sdk.list_livy_compute(workspace, m.ListLivyComputeRequest())).livy_computes
assert listed == [], listed
say("stopped and deleted")
print(json.dumps([first, "a-text-of-the-clients-own"]))
