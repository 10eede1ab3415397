# Written by Livy Gateway. Runs the metastore of the gateway's warehouse, and again if it ends.
# If it cannot start, the Livy server ($1) is ended too: its jobs would not find their tables.
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
while
  "$java" -Xmx@HEAP@m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError \
    -Dderby.system.home=@DIR@ -cp "$SPARK_HOME/jars/*" \
    org.codehaus.janino.SimpleCompiler "$LIVY_CONF_DIR/Metastore.java" Metastore @DIR@ @HOST@ @PORT@
  code=$?
  [ $code -ne 78 ]
do
  echo "metastore: ended with exit code $code; starting it again" >&2
  sleep 1
done
kill "$1"
