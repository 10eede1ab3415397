// Written by Livy Gateway. Runs Hive's metastore from Spark's own jars, with a Derby database in
// a directory, on one address. Hive's own main class listens on all addresses.
//
// Spark's compiler for expressions compiles this at each start: no JDK is needed.

import java.net.InetSocketAddress;
import java.sql.DriverManager;
import java.sql.SQLException;
import org.apache.hadoop.hive.conf.HiveConf;
import org.apache.hadoop.hive.metastore.HiveMetaStore;
import org.apache.hadoop.hive.metastore.TSetIpAddressProcessor;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.server.TThreadPoolServer;
import org.apache.thrift.transport.TServerSocket;

public class Metastore {
  // The arguments are a directory, a host and a port.
  public static void main(String[] args) {
    try {
      TThreadPoolServer server = start(args[0], args[1], Integer.parseInt(args[2]));
      System.err.println("metastore: ready at " + args[1] + ":" + args[2] + " for " + args[0]);
      server.serve();
    } catch (Throwable e) {
      Throwable cause = e;
      while (cause.getCause() != null) {
        cause = cause.getCause();
      }
      System.err.println("metastore: cannot start in " + args[0] + ": " + cause);
      Runtime.getRuntime().halt(78);
    }
  }

  static TThreadPoolServer start(String dir, String host, int port) throws Exception {
    // It reports every client that ends as an error.
    Configurator.setLevel("org.apache.thrift", Level.OFF);
    String database = "jdbc:derby:" + dir + "/metastore;create=true";
    // Hive would report a database that cannot be opened in thousands of lines.
    DriverManager.getConnection(database).close();
    TServerSocket socket = new TServerSocket(new InetSocketAddress(host, port));
    HiveConf conf = new HiveConf();
    conf.set("hive.metastore.uris", "");
    conf.set("hive.metastore.warehouse.dir", "file:" + dir + "/tables");
    conf.set("javax.jdo.option.ConnectionURL", database);
    conf.set("datanucleus.schema.autoCreateAll", "true");
    conf.set("hive.metastore.schema.verification", "false");
    HiveMetaStore.HMSHandler handler = new HiveMetaStore.HMSHandler("metastore", conf, false);
    TThreadPoolServer.Args settings = new TThreadPoolServer.Args(socket);
    settings.processor(new TSetIpAddressProcessor(HiveMetaStore.newRetryingHMSHandler(handler, conf, false)));
    settings.protocolFactory(new TBinaryProtocol.Factory());
    Runtime.getRuntime().addShutdownHook(new Thread() {
      public void run() {
        try {
          DriverManager.getConnection("jdbc:derby:;shutdown=true");
        } catch (SQLException e) {
          // This is how Derby reports that it has shut down.
        }
      }
    });
    return new TThreadPoolServer(settings);
  }
}
