"""Writes the settings that a Spark knows to standard output, for settings.tsv:

    $SPARK_HOME/bin/spark-submit --master 'local[1]' policies/sparkconf/list.py

A line is a key, its unit and its default, separated by tabs. The unit says what a
number without a suffix means, or is text. The default is ? where there is none or where
it is not the same everywhere, and =KEY where it is that of another key. Another name of
a setting has the unit "is", and the key of today in place of a default. Names that stand
in Spark's code only, without a unit and a default, have the unit "name".
"""

import glob
import os
import re
import struct
import sys
import zipfile

from pyspark import SparkContext

KEY = re.compile(r"spark\.[a-z][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+)*")
SIZES = {1 << 30: "bytes", 1 << 20: "KiB", 1 << 10: "MiB"}  # what 1g comes to
TIMES = {3600 * 1000: "ms", 3600: "s"}  # what 1h comes to
# What the machine decides, and what Spark 3.4 and 3.5 do not agree on.
VARIES = {
    "spark.driver.host",
    "spark.sql.session.timeZone",
    "spark.sql.warehouse.dir",
    "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning",
    "spark.sql.thriftServer.interruptOnCancel",
}


def constants(code):
    """The texts in a class file's table of constants."""
    count, at, n = struct.unpack(">H", code[8:10])[0], 10, 1
    while n < count:
        tag = code[at]
        if tag == 1:
            size = struct.unpack(">H", code[at + 1 : at + 3])[0]
            yield code[at + 3 : at + 3 + size]
            at += 3 + size
        elif tag in (5, 6):  # a long or double counts twice
            at, n = at + 9, n + 1
        else:
            at += {7: 3, 8: 3, 15: 4, 16: 3, 19: 3, 20: 3}.get(tag, 5)
        n += 1


def convert(entry, text):
    try:
        value = entry.valueConverter().apply(text)
        return value.get() if hasattr(value, "isDefined") else value
    except Exception:
        return None


def number(value):
    return isinstance(value, int) and not isinstance(value, bool)


def unit(entry):
    """Finds out what a number means by giving the setting some."""
    one, hour, giga = convert(entry, "1"), convert(entry, "1h"), convert(entry, "1g")
    if number(hour):
        return TIMES.get(hour, "text")
    if number(giga):
        return SIZES.get(giga, "text")
    return "int" if number(one) else "text"


def default(entry):
    text = entry.defaultValueString()
    if text is None or text == "<undefined>" or entry.key() in VARIES:
        return "?"
    other = re.fullmatch(r"<value of (\S+)>", text)
    if other:
        return "=" + other.group(1)
    if os.environ["SPARK_HOME"] in text or os.uname().nodename in text:
        return "?"
    return text if re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]{,98}[\x21-\x7e])?", text) else "?"


def wanted(key):
    return KEY.fullmatch(key) and "test" not in key.lower()


sc = SparkContext.getOrCreate()
names = set()
# Settings register themselves when the class that holds them is loaded.
for jar in sorted(glob.glob(os.path.join(os.environ["SPARK_HOME"], "jars", "spark-*.jar"))):
    with zipfile.ZipFile(jar) as z:
        for name in sorted(n for n in z.namelist() if n.endswith(".class")):
            texts = {t.decode("utf-8", "replace") for t in constants(z.read(name))}
            names |= {t for t in texts if t.count(".") > 1 and wanted(t)}
            if name.endswith("$.class") and "org/apache/spark/internal/config/ConfigBuilder" in texts:
                try:
                    sc._jvm.java.lang.Class.forName(name[: -len(".class")].replace("/", "."))
                except Exception as e:  # what needs libraries that are not there
                    print("left out:", name, str(e).splitlines()[0][:200], file=sys.stderr)

entries = getattr(getattr(sc._jvm.org.apache.spark.internal.config, "ConfigEntry$"), "MODULE$").knownConfigs()
lines = {}
for entry in entries.values():
    if wanted(entry.key()):
        lines[entry.key()] = (unit(entry), default(entry))
for entry in entries.values():
    others = entry.alternatives()
    for i in range(others.size()):
        lines.setdefault(others.apply(i), ("is", entry.key()))
for name in names:
    lines.setdefault(name, ("name", "?"))
print("# The settings of Spark %s, made by list.py." % sc.version)
for key in sorted(lines):
    print("\t".join((key,) + lines[key]))
