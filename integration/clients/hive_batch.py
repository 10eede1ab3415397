"""The Spark job of the warehouse test: makes a table of its own and waits for another job's.

The arguments are the name of its own table and that of the other one.
"""
import sys
import time

from pyspark.sql import SparkSession

own, other = sys.argv[1:]
spark = SparkSession.builder.appName(own).enableHiveSupport().getOrCreate()
spark.sql("create database if not exists shop")
spark.sql(f"create table shop.{own} stored as parquet as select '{own}' as made_by, id from range(3)")
began = time.time()
while not spark.catalog.tableExists(f"shop.{other}"):
    if time.time() - began > 120:
        sys.exit(f"shop.{other} does not appear")
    time.sleep(0.5)
