// What clients are told to use a gateway, with its address in place. TOKEN is a token's text.

export const setups = [
  {
    id: 'curl', name: 'curl', hint: 'A session, and a statement in it once its state is idle.',
    text: (url) => `export TOKEN=...   # the text of a token
curl -H "x-acs-spark-livy-token: $TOKEN" -H 'Content-Type: application/json' \\
  ${url}/sessions -d '{"kind":"pyspark"}'
curl -H "x-acs-spark-livy-token: $TOKEN" ${url}/sessions/0
curl -H "x-acs-spark-livy-token: $TOKEN" -H 'Content-Type: application/json' \\
  ${url}/sessions/0/statements -d '{"code":"spark.range(10).count()"}'
curl -H "x-acs-spark-livy-token: $TOKEN" ${url}/sessions/0/statements/0`,
  },
  {
    id: 'sparkmagic', name: 'sparkmagic', hint: 'Jupyter with sparkmagic: ~/.sparkmagic/config.json.',
    text: (url) => JSON.stringify({
      kernel_python_credentials: { username: '', password: '', url, auth: 'None' },
      kernel_scala_credentials: { username: '', password: '', url, auth: 'None' },
      custom_headers: { 'x-acs-spark-livy-token': 'TOKEN' },
      livy_session_startup_timeout_seconds: 600,
    }, null, 2),
  },
  {
    id: 'airflow', name: 'Airflow', hint: 'The connection of LivyOperator. The whole address is the host; the port stays empty.',
    text: (url) => `export AIRFLOW_CONN_LIVY_DEFAULT='${JSON.stringify({ conn_type: 'livy', host: url, login: 'any', password: 'TOKEN' })}'

# In a DAG:
from airflow.providers.apache.livy.operators.livy import LivyOperator

LivyOperator(task_id="pi", file="s3://bucket/pi.py", polling_interval=10)`,
  },
  {
    id: 'python', name: 'Python', hint: 'Plain requests; any HTTP client does.',
    text: (url) => `import os, time, requests

livy = requests.Session()
livy.headers["x-acs-spark-livy-token"] = os.environ["TOKEN"]
url = "${url}"

session = livy.post(f"{url}/sessions", json={"kind": "pyspark"}).json()
at = f"{url}/sessions/{session['id']}"
while livy.get(f"{at}/state").json()["state"] != "idle":
    time.sleep(2)
made = livy.post(f"{at}/statements", json={"code": "spark.range(10).count()"}).json()
while (s := livy.get(f"{at}/statements/{made['id']}").json())["state"] != "available":
    time.sleep(1)
print(s["output"])
livy.delete(at)`,
  },
  {
    id: 'zeppelin', name: 'Zeppelin', hint: 'Properties of the interpreter livy.',
    text: (url) => `zeppelin.livy.url                     ${url}
zeppelin.livy.session.create_timeout  600
zeppelin.livy.http.headers            x-acs-spark-livy-token: TOKEN`,
  },
  {
    id: 'dbt', name: 'dbt', hint: 'profiles.yml of dbt-spark-livy, which sends the token as a password.',
    text: (url) => `livy:
  target: dev
  outputs:
    dev:
      type: spark_livy
      method: livy
      schema: analytics
      host: ${url}
      user: token
      password: "{{ env_var('LIVY_TOKEN') }}"`,
  },
];
