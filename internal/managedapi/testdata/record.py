"""Records requests of the managed product's own Python SDK, as it signs and sends them.

    pip install alibabacloud_emr_serverless_spark20230808==2.3.0
    python record.py python-2.3.0.jsonl

First come all operations, then requests with odd texts in path, query, headers and body. The
names of query parameters are plain: the SDKs sign names as they are, but send them encoded.
"""

import json
import random
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

from alibabacloud_credentials.client import Client as Credential
from alibabacloud_credentials.models import Config as CredentialConfig
from alibabacloud_emr_serverless_spark20230808 import models as m
from alibabacloud_emr_serverless_spark20230808.client import Client
from alibabacloud_tea_openapi import models as openapi
from alibabacloud_tea_openapi.models import Config
from darabonba.runtime import RuntimeOptions

REPLY = {
    "requestId": "R",
    "code": "1000000",
    "message": "ok",
    "data": {"livyComputeId": "lc-0123456789abcdef", "tokenId": "lctk-0123456789abcdef"},
}
recorded = []


class Recorder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def record(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        recorded.append(
            {
                "method": self.command,
                "target": self.path,
                "headers": [[name, value] for name, value in self.headers.items()],
                "body": body.decode(),
            }
        )
        reply = json.dumps(REPLY).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_PUT = do_POST = do_DELETE = record


server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = {"endpoint": "127.0.0.1:%d" % server.server_port, "protocol": "HTTP"}
sdk = Client(
    Config(
        access_key_id="lcak-0123456789abcdef",
        access_key_secret="a-secret-of-the-test-vectors",
        **address,
    )
)
workspace, compute, token = "w-1234567890abcdef", "lc-0123456789abcdef", "lctk-0123456789abcdef"
region = "cn-hangzhou"

conf = {"sparkDefaultsConf": "spark.driver.cores 1\n", "livyConf": "# ünïcode 漢字\n"}
sdk.create_livy_compute(
    workspace,
    m.CreateLivyComputeRequest(
        region_id=region,
        name="etl",
        auth_type="Token",
        livy_version="0.8.0",
        display_release_version="esr-4.3.0 (Spark 3.5.2, Scala 2.12)",
        fusion=False,
        queue_name="root.etl",
        cpu_limit="1",
        memory_limit="4Gi",
        enable_public=False,
        livy_server_conf=json.dumps(conf),
        auto_start_configuration=m.CreateLivyComputeRequestAutoStartConfiguration(enable=True),
        auto_stop_configuration=m.CreateLivyComputeRequestAutoStopConfiguration(
            enable=True, idle_timeout_minutes=30
        ),
    ),
)
odd = "ev with spaces+plus/slash ü~*!'()&=%"
sdk.list_livy_compute(workspace, m.ListLivyComputeRequest(region_id=region, environment_id=odd))
sdk.list_livy_compute(workspace, m.ListLivyComputeRequest())
sdk.get_livy_compute(workspace, compute, m.GetLivyComputeRequest(region_id=region))
sdk.update_livy_compute(
    workspace, compute, m.UpdateLivyComputeRequest(name="etl2", region_id="a b*c~d")
)
sdk.start_livy_compute(workspace, compute, m.StartLivyComputeRequest(region_id=region))
sdk.create_livy_compute_token(
    workspace,
    compute,
    m.CreateLivyComputeTokenRequest(
        name="airflow",
        token="a-text-of-the-clients-choice",
        region_id=region,
        auto_expire_configuration=m.CreateLivyComputeTokenRequestAutoExpireConfiguration(
            enable=True, expire_days=30
        ),
    ),
)
sdk.list_livy_compute_token(workspace, compute, m.ListLivyComputeTokenRequest(region_id=region))
sdk.get_livy_compute_token(
    workspace, compute, token, m.GetLivyComputeTokenRequest(region_id="")
)
sdk.refresh_livy_compute_token(
    workspace, compute, token, m.RefreshLivyComputeTokenRequest(name="x")
)
sdk.list_livy_compute_sessions(
    workspace,
    compute,
    m.ListLivyComputeSessionsRequest(page_num=2, page_size=10, region_id=region),
)
sdk.delete_livy_compute_token(workspace, compute, token, m.DeleteLivyComputeTokenRequest())
sdk.stop_livy_compute(workspace, compute, m.StopLivyComputeRequest())
sdk.delete_livy_compute(workspace, compute, m.DeleteLivyComputeRequest())
for text in ["lc a", "lc+plus", "lc~*", "lc%percent", "lcü漢", "lc:colon@at", "lc=eq&amp"]:
    sdk.get_livy_compute(workspace, text, m.GetLivyComputeRequest(region_id=text))
bearer = Credential(CredentialConfig(type="bearer", bearer_token="a-token-of-the-test-vectors"))
Client(Config(credential=bearer, **address)).get_livy_compute(
    workspace, compute, m.GetLivyComputeRequest(region_id=region)
)

rnd = random.Random(20230808)
ODD = "abcXYZ019-_.~!*'()+ &=%/?#:;@,$\"<>[]{}|\\^`üé漢😀\t"


def text(longest, characters=ODD, shortest=0):
    return "".join(rnd.choice(characters) for _ in range(rnd.randint(shortest, longest)))


for i in range(120):
    params = openapi.Params(
        action="Fuzz",
        version="2023-08-08",
        protocol="HTTP",
        pathname="/api/interactive/v1/workspace/" + quote(text(8, shortest=1), safe="~"),
        method=rnd.choice(["GET", "PUT", "POST", "DELETE"]),
        auth_type="AK",
        style="ROA",
        req_body_type="json",
        body_type="json",
    )
    request = openapi.OpenApiRequest(
        query={text(6, "abcXYZ019-_.~", 1): text(12) for _ in range(rnd.randint(0, 5))},
        headers={"x-acs-extra": "value %d" % i} if i % 5 == 0 else {},
        body={text(5): text(20) for _ in range(rnd.randint(0, 3))} if i % 3 == 0 else None,
    )
    sdk.call_api(params, request, RuntimeOptions())

with open(sys.argv[1], "w") as out:
    for request in recorded:
        out.write(json.dumps(request, ensure_ascii=False) + "\n")
