"""An Airflow DAG of one LivyOperator, and the program that runs it.

Run as a program it starts Airflow's own task machinery (dag.test()) on SQLite in
the folder AIRFLOW_HOME, which should be a fresh one. Settings come from the
environment:

    AIRFLOW_CONN_LIVY_DEFAULT  the connection as JSON, the token in its "extra"
    LIVY_BATCH                 JSON: what LivyOperator is given (file, args, conf, ...)

The last line printed is a JSON object with the final state, the batch's id and
whether the operator pushed it.
"""
import json
import os
import sys
from datetime import datetime

from airflow.providers.apache.livy.operators.livy import LivyOperator
from airflow.sdk import DAG

with DAG("livy_batch", schedule=None, start_date=datetime(2026, 1, 1), catchup=False) as dag:
    LivyOperator(
        task_id="batch",
        livy_conn_id="livy_default",
        polling_interval=1,
        retries=0,
        **json.loads(os.environ["LIVY_BATCH"]),
    )


def main() -> int:
    run = dag.test()
    (task,) = run.get_task_instances()
    batch = task.xcom_pull(task_ids="batch", key="return_value") if task.state == "success" else None
    print(json.dumps({"state": str(run.state), "task": str(task.state), "batch": batch}), flush=True)
    return 0 if str(run.state) == "success" else 1


if __name__ == "__main__":
    sys.exit(main())
