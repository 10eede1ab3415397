"""The Spark job of the batch tests: shows what reached Spark, and computes something.

Between two markers it prints one JSON object: the effective SparkConf, the
arguments, the user it runs as, and a sum that Spark computed.
"""
import json
import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("show-conf").getOrCreate()
total = spark.range(1, 1001).selectExpr("sum(id) AS total").first()["total"]
shown = {
    "conf": dict(spark.sparkContext.getConf().getAll()),
    "args": sys.argv[1:],
    "sum": total,
    "sparkUser": spark.sparkContext.sparkUser(),
    "version": spark.version,
}
# Spark logs to the same stream: what it says while it stops must not come between.
spark.stop()
print("<<<SHOW-CONF")
print(json.dumps(shown))
print("SHOW-CONF>>>", flush=True)
