"""Drives sparkmagic's PySpark kernel the way a notebook does, one cell after the other.

    sparkmagic_session.py URL TOKEN [USER]

sparkmagic's config.json holds the url and custom_headers and nothing else that
concerns the gateway (only how long to wait for a session on a slow machine). With
USER, the token is the password of a login instead.
Cells come on standard input, one JSON string a line; what a reader of the
notebook would see of each is printed in the same way. The notebook is closed
when the input ends.
"""
import json
import os
import re
import sys
import tempfile

from jupyter_client.manager import start_new_kernel


def config(url: str, token: str, user: str = "") -> dict:
    made = {
        "kernel_python_credentials": {"url": url},
        "custom_headers": {"x-acs-spark-livy-token": token},
        "livy_session_startup_timeout_seconds": 240,
    }
    if user:
        del made["custom_headers"]
        made["kernel_python_credentials"] |= {"auth": "Basic_Access", "username": user, "password": token}
    return made


def plain(html: str) -> str:
    """The text that a reader of the notebook would see of html."""
    html = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", html)
    return " ".join(re.sub(r"<[^>]*>", " ", html).split()) + "\n"


def text_of(message: dict) -> str:
    content = message["content"]
    kind = message["msg_type"]
    if kind == "stream":
        return content["text"]
    if kind == "error":
        return "\n".join(content["traceback"])
    if kind in ("display_data", "execute_result"):
        data = content["data"]
        if "application/vnd.jupyter.widget-view+json" in data:
            return ""  # a progress bar, or buttons
        return plain(data["text/html"]) if "text/html" in data else data.get("text/plain", "")
    return ""


def run(client, code: str, timeout: float) -> str:
    wanted = client.execute(code)
    parts = []
    while True:
        message = client.get_iopub_msg(timeout=timeout)
        if message["parent_header"].get("msg_id") != wanted:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return "".join(parts)
        parts.append(text_of(message))


def main() -> int:
    # The kernel is started by name from this environment's own bin folder.
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    with tempfile.TemporaryDirectory() as home:
        os.environ["SPARKMAGIC_CONF_DIR"] = home
        os.environ["SPARKMAGIC_CONF_FILE"] = "config.json"
        with open(os.path.join(home, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config(*sys.argv[1:]), file)
        manager, client = start_new_kernel(kernel_name="pysparkkernel", startup_timeout=60)
        try:
            for line in sys.stdin:
                print(json.dumps(run(client, json.loads(line), timeout=300)), flush=True)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
