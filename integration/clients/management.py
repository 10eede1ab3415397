"""Lives a gateway's life with a client that was generated from the served document.

    management.py MANAGEMENT_URL SITE_URL QUICK_JOB LONG_JOB

The generated client is the package livy_management. Batches go through the gateway,
as any Livy client's do.
"""
import sys
import time

import httpx
from livy_management import Client
from livy_management.api.audit import list_audit
from livy_management.api.gateways import (
    create_gateway, delete_gateway, get_gateway, list_gateways, stop_gateway, update_gateway,
)
from livy_management.api.records import close_record, get_record, list_records
from livy_management.api.tokens import create_token, list_tokens, revoke_token
from livy_management.models import CreateGateway, CreateToken, Gateway, GatewayPatch, NewToken, Problem

management, site, quick_job, long_job = sys.argv[1:]
client = Client(base_url=management, timeout=60)
where = ("default", "by-a-generated-client")


def until(what, ready, seconds=240):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        got = ready()
        if got:
            return got
        time.sleep(0.5)
    sys.exit(f"timed out: {what}")


made = create_gateway.sync_detailed("default", client=client, body=CreateGateway(name=where[1], start=True))
assert made.status_code == 201 and isinstance(made.parsed, Gateway), made
again = create_gateway.sync("default", client=client, body=CreateGateway(name=where[1]))
assert isinstance(again, Problem) and again.status == 409 and again.field == "name", again
stale = update_gateway.sync_detailed(*where, client=client, if_match='"0"', body=GatewayPatch(isolated=True))
assert stale.status_code == 412 and stale.parsed.kind == "stale", stale
gateway = until("the gateway running", lambda: (
    g := get_gateway.sync(*where, client=client)).status.state.value == "Running" and g)
print("gateway", gateway.id, "runs Livy", gateway.status.livy_version)
assert where[1] in [g.spec.name for g in list_gateways.sync("default", client=client).gateways]

token = create_token.sync(*where, client=client, body=CreateToken(name="job", expire_days=1))
assert isinstance(token, NewToken), token
listed = list_tokens.sync(*where, client=client)
assert listed.total == 1 and listed.tokens[0].id == token.id, listed

livy = httpx.Client(base_url=site + gateway.endpoint, headers={"x-acs-spark-livy-token": token.token}, timeout=60)


def start(job):
    reply = livy.post("/batches", json={"file": job})
    reply.raise_for_status()
    return reply.json()["id"]


def record(batch):
    return get_record.sync(*where, f"batch:{batch}", client=client)


quick = start(quick_job)
ended = until("the batch ending", lambda: (r := record(quick)).ended and r)
assert ended.state == "success" and ended.token_id == token.id and ended.resources, ended
print("record", ended.id, ended.state)

long = start(long_job)
until("the long batch running", lambda: record(long).state == "running")
closed = close_record.sync(*where, f"batch:{long}", client=client)
assert closed.ended, closed
print("record", closed.id, "closed:", closed.state)
assert list_records.sync(*where, client=client, limit=1).total == 2

assert revoke_token.sync_detailed(*where, token.id, client=client).status_code == 204
until("the token being refused", lambda: livy.get("/batches").status_code == 401, 5)
assert stop_gateway.sync_detailed(*where, client=client).status_code == 202
until("the gateway stopped", lambda: get_gateway.sync(*where, client=client).status.state.value == "Stopped")
assert delete_gateway.sync_detailed(*where, client=client).status_code == 204

entries = list_audit.sync(client=client, gateway=gateway.id, limit=1000).entries
actions = [e.action for e in reversed(entries)]
for action in ("gateway.create", "gateway.running", "token.create", "record.close", "token.revoke", "gateway.stop", "gateway.delete"):
    assert action in actions, (action, actions)
assert token.token not in str(entries)
print("audit", *actions)
