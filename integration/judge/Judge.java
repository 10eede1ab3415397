import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.Permission;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkConf;
import org.apache.spark.deploy.SparkSubmit;
import org.apache.spark.deploy.SparkSubmitArguments;
import scala.Option;
import scala.Some;
import scala.Tuple2;
import scala.Tuple4;

/**
 * Says what Spark makes of a call of spark-submit, by asking Spark: its launcher for the command
 * line of the JVM, the JVM for its heap, its properties and the arguments of the main class, and
 * SparkSubmit for user, queue, files and settings. Nothing is run and no network is used.
 *
 * It runs with the jars of one Spark on its class path, reads one JSON object a line and answers
 * with one:
 *
 * <pre>
 * {"args": [...], "env": {...}, "jvm": true}   a call of spark-submit; jvm: start JVMs as well
 * {"inventory": true}                          what this Spark knows: main classes, settings
 * </pre>
 *
 * JVM options given to a judged call are given to a real JVM, so what is judged must be of the
 * tests' own making.
 */
public final class Judge {
  private static final ObjectMapper JSON = new ObjectMapper();
  /** Schemes that lead to {@link Nowhere}. */
  private static final String[] REMOTE = {
    "hdfs", "viewfs", "webhdfs", "swebhdfs", "s3", "s3a", "s3n", "oss", "gs", "abfs", "abfss", "wasb", "wasbs",
    "cosn", "obs", "o3fs", "ofs",
  };
  static final String SUBMIT = "org.apache.spark.deploy.SparkSubmit";

  private final Configuration hadoop = new Configuration();
  private final Settings settings = new Settings();
  private final Jvms jvms;
  /** The options that the launcher puts behind all others. */
  private final List<String> always;

  private Judge(Path probe) throws Exception {
    jvms = new Jvms(probe);
    for (String scheme : REMOTE) {
      hadoop.set("fs." + scheme + ".impl", Nowhere.class.getName());
      hadoop.setBoolean("fs." + scheme + ".impl.disable.cache", true);
    }
    List<String> plain = launch(List.of("--class", "a.B", "x.jar"));
    always = List.copyOf(plain.subList(plain.indexOf("-Xmx1g") + 1, plain.indexOf(SUBMIT)));
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = System.out;
    PrintStream nothing = new PrintStream(OutputStream.nullOutputStream());
    System.setErr(nothing);
    System.setOut(nothing);
    // Some of what is asked ends its JVM on bad input.
    System.setSecurityManager(new SecurityManager() {
      @Override public void checkPermission(Permission p) { }
      @Override public void checkExit(int status) { throw new SecurityException("exit " + status); }
    });
    Judge judge = new Judge(Paths.get(args[0]));
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = in.readLine()) != null; ) {
      JsonNode ask = JSON.readTree(line);
      Object answer;
      try {
        answer = ask.has("inventory") ? judge.settings.inventory() : judge.judge(ask);
      } catch (Throwable t) {
        answer = Map.of("failed", text(t));
      }
      out.write((JSON.writeValueAsString(answer) + "\n").getBytes(StandardCharsets.UTF_8));
      out.flush();
      System.setOut(nothing);
    }
    Runtime.getRuntime().halt(0);
  }

  // --- one call --------------------------------------------------------------

  private Map<String, Object> judge(JsonNode ask) throws Exception {
    List<String> args = new ArrayList<>();
    ask.path("args").forEach(a -> args.add(a.asText()));
    Map<String, String> env = new TreeMap<>();
    ask.path("env").fields().forEachRemaining(e -> env.put(e.getKey(), e.getValue().asText()));
    boolean startJvms = ask.path("jvm").asBoolean();
    Map<String, Object> answer = new LinkedHashMap<>();

    List<String> command;
    try {
      command = launch(args);
    } catch (Throwable t) {
      answer.put("error", "launcher: " + text(t));
      return answer;
    }
    answer.put("command", command);
    int at = command.indexOf(SUBMIT);
    List<String> submitArgs = at < 0 ? List.of() : command.subList(at + 1, command.size());
    // Before java may stand "env" and variables, such as the library path.
    Map<String, String> jvmEnv = new TreeMap<>();
    int program = 0;
    while (program < command.size() - 1 && !command.get(program).endsWith("/bin/java")) {
      String[] pair = command.get(program++).split("=", 2);
      if (pair.length == 2) {
        jvmEnv.put(pair[0], pair[1]);
      }
    }
    List<String> options = command.subList(program + 1, at < 0 ? command.size() : at);
    if (submitArgs.equals(List.of("--usage-error")) || submitArgs.equals(List.of("--help"))) {
      answer.put("error", "launcher: usage error");
      return answer;
    }
    Map<String, String> properties = new HashMap<>();
    if (startJvms) {
      Map<String, Object> jvm = jvms.start(ofTheCall(options), jvmEnv);
      answer.put("submitJvm", jvm);
      if (jvm.containsKey("error")) {
        answer.put("error", "jvm: " + jvm.get("error"));
        return answer;
      }
      submitArgs = Jvms.splice((List<?>) jvm.get("args"), submitArgs);
      for (Map.Entry<?, ?> e : ((Map<?, ?>) jvm.get("properties")).entrySet()) {
        properties.put((String) e.getKey(), (String) e.getValue());
      }
    }
    properties.keySet().removeIf(k -> !k.startsWith("spark."));
    properties.forEach(System::setProperty);
    try {
      submit(answer, submitArgs, env, startJvms);
    } finally {
      for (String name : System.getProperties().stringPropertyNames()) {
        if (name.startsWith("spark.")) {
          System.clearProperty(name);
        }
      }
    }
    return answer;
  }

  /** The command line that spark-class would run. */
  private static List<String> launch(List<String> args) throws Exception {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      Method main = Class.forName("org.apache.spark.launcher.Main").getDeclaredMethod("main", String[].class);
      main.setAccessible(true);
      List<String> all = new ArrayList<>(List.of(SUBMIT));
      all.addAll(args);
      main.invoke(null, (Object) all.toArray(new String[0]));
    } finally {
      System.setOut(before);
    }
    List<String> command = new ArrayList<>(Arrays.asList(printed.toString(StandardCharsets.UTF_8).split("\0", -1)));
    command.remove(command.size() - 1);
    // The command begins after a NUL and a line end, by which spark-class knows it.
    command.remove(0);
    command.set(0, command.get(0).strip());
    return command;
  }

  /** What SparkSubmit makes of its arguments, and what the application gets. */
  private void submit(Map<String, Object> answer, List<String> args, Map<String, String> env, boolean startJvms) {
    SparkSubmitArguments parsed;
    try {
      parsed = new SparkSubmitArguments(scala.collection.JavaConverters.asScalaBuffer(args), immutable(env));
    } catch (Throwable t) {
      answer.put("error", "SparkSubmitArguments: " + text(t));
      return;
    }
    Map<String, Object> said = new TreeMap<>();
    for (String name : new String[] {
      "master", "deployMode", "mainClass", "primaryResource", "proxyUser", "principal", "keytab", "queue", "name",
      "driverMemory", "driverCores", "driverExtraJavaOptions", "driverExtraClassPath", "driverExtraLibraryPath",
      "executorMemory", "executorCores", "totalExecutorCores", "numExecutors", "files", "jars", "pyFiles", "archives",
      "packages", "repositories", "propertiesFile", "action",
    }) {
      Object value = value(parsed, name);
      if (value != null) {
        said.put(name, value.toString());
      }
    }
    answer.put("submit", said);
    answer.put("args", scala.collection.JavaConverters.seqAsJavaList(parsed.childArgs()));
    if (!"SUBMIT".equals(said.get("action"))) {
      answer.put("error", "SparkSubmit: " + said.get("action"));
      return;
    }
    Map<String, String> conf = new TreeMap<>();
    try {
      if (parsed.packages() != null) {
        // Only a repository could say more.
        answer.put("unprepared", "packages");
        conf.putAll(Settings.of(parsed.toSparkConf(Option.empty())));
      } else {
        // Files of the web are not fetched by a Spark under test.
        System.setProperty("spark.testing", "true");
        Tuple4<?, ?, SparkConf, String> prepared =
            (Tuple4<?, ?, SparkConf, String>) (Object) new SparkSubmit().prepareSubmitEnvironment(parsed, new Some<>(hadoop));
        answer.put("childMainClass", prepared._4());
        answer.put("childArgs", scala.collection.JavaConverters.seqAsJavaList((scala.collection.Seq<?>) prepared._1()));
        answer.put("childClasspath", scala.collection.JavaConverters.seqAsJavaList((scala.collection.Seq<?>) prepared._2()));
        conf.putAll(Settings.of(prepared._3()));
      }
      answer.put("conf", conf);
      answer.put("read", settings.read(conf));
      answer.put("executors", executors(conf));
      if (startJvms) {
        answer.put("executorJvm", jvms.of(conf, "executor", "spark.executor.memory", "spark.executorEnv."));
        boolean cluster = "cluster".equals(said.get("deployMode"));
        answer.put("driverJvm", !cluster ? answer.get("submitJvm")
            : jvms.of(conf, "driver", "spark.driver.memory", said.getOrDefault("master", "").toString().startsWith("k8s") ? "spark.kubernetes.driverEnv." : "spark.yarn.appMasterEnv."));
      }
    } catch (Throwable t) {
      answer.put("error", "SparkSubmit: " + text(t));
    }
  }

  /** How many executors there will be, by Spark's own sum. */
  private static Map<String, Object> executors(Map<String, String> settings) {
    Map<String, Object> out = new TreeMap<>();
    SparkConf conf = new SparkConf(false);
    settings.forEach(conf::set);
    try {
      out.put("initial", org.apache.spark.scheduler.cluster.SchedulerBackendUtils$.MODULE$.getInitialTargetExecutorNumber(
          conf, org.apache.spark.scheduler.cluster.SchedulerBackendUtils$.MODULE$.DEFAULT_NUMBER_EXECUTORS()));
      boolean dynamic = org.apache.spark.util.Utils$.MODULE$.isDynamicAllocationEnabled(conf);
      out.put("dynamic", dynamic);
      out.put("most", dynamic ? conf.getInt("spark.dynamicAllocation.maxExecutors", Integer.MAX_VALUE) : out.get("initial"));
    } catch (Throwable t) {
      out.put("error", text(t));
    }
    return out;
  }

  /**
   * The options without what the launcher gives every JVM: the class path, and opened modules,
   * with which a JVM starts much slower.
   */
  private List<String> ofTheCall(List<String> options) {
    List<String> out = new ArrayList<>(options);
    int at = out.indexOf("-cp");
    if (at >= 0) {
      out.subList(at, at + 2).clear();
    }
    int end = out.size() - always.size();
    if (end >= 0 && out.subList(end, out.size()).equals(always)) {
      out.subList(end, out.size()).clear();
    }
    return out;
  }

  // --- Scala and reflection ---------------------------------------------------------

  private static Object value(Object of, String method) {
    try {
      return of.getClass().getMethod(method).invoke(of);
    } catch (InvocationTargetException e) {
      return null; // no master was given
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  private static scala.collection.immutable.Map<String, String> immutable(Map<String, String> map) {
    scala.collection.immutable.Map<String, String> out = scala.collection.immutable.Map$.MODULE$.empty();
    for (Map.Entry<String, String> e : map.entrySet()) {
      out = out.$plus(new Tuple2<>(e.getKey(), e.getValue()));
    }
    return out;
  }

  static String text(Throwable t) {
    while (t instanceof InvocationTargetException && t.getCause() != null) {
      t = t.getCause();
    }
    String s = t.toString();
    return s.length() > 400 ? s.substring(0, 400) : s;
  }
}
