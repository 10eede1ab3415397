# Written by Livy Gateway. bin/livy-server reads this and then becomes the Livy server, with
# this process id.
/bin/sh "$LIVY_CONF_DIR/metastore.sh" "$$" </dev/null &
