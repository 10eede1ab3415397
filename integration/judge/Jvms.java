import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.spark.SparkConf;

/** Starts JVMs to see what they make of their options. */
final class Jvms {
  private static final String ENDS = "--judge-arguments--";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String java = Paths.get(System.getProperty("java.home"), "bin", "java").toString();
  private final Path probe;
  private final Map<List<Object>, Map<String, Object>> known = new HashMap<>();

  Jvms(Path probe) {
    this.probe = probe;
  }

  /** The JVM of executors or of a driver in a cluster: options as YARN's containers get them. */
  Map<String, Object> of(Map<String, String> settings, String of, String memoryKey, String envPrefix) throws Exception {
    SparkConf conf = new SparkConf(false);
    settings.forEach(conf::set);
    List<String> options = new ArrayList<>();
    options.add("-Xmx" + conf.getSizeAsMb(memoryKey, "1g") + "m");
    for (String key : new String[] {"spark." + of + ".defaultJavaOptions", "spark." + of + ".extraJavaOptions"}) {
      String text = conf.get(key, "");
      for (String word : scala.collection.JavaConverters.seqAsJavaList(org.apache.spark.util.Utils$.MODULE$.splitCommandString(text))) {
        options.add(word);
      }
    }
    Map<String, String> env = new TreeMap<>();
    for (Map.Entry<String, String> e : settings.entrySet()) {
      if (e.getKey().startsWith(envPrefix)) {
        env.put(e.getKey().substring(envPrefix.length()), e.getValue());
      }
    }
    return start(options, env);
  }

  /** Starts a JVM with the options and a main class that prints what it got; kept by options. */
  Map<String, Object> start(List<String> options, Map<String, String> env) throws Exception {
    List<Object> key = List.of(List.copyOf(options), Map.copyOf(env));
    Map<String, Object> before = known.get(key);
    if (before != null) {
      return before;
    }
    List<String> command = new ArrayList<>(List.of(java, "-XX:TieredStopAtLevel=1", "-XX:+PrintFlagsFinal", "-XshowSettings:properties", "-cp", probe.toString()));
    command.addAll(options);
    command.add(Judge.SUBMIT);
    command.add(ENDS);
    ProcessBuilder pb = new ProcessBuilder(command);
    pb.environment().clear();
    env.forEach((k, v) -> {
      if (k.matches("[A-Za-z_][A-Za-z0-9_.]*") && v.indexOf('\0') < 0) {
        pb.environment().put(k, v);
      }
    });
    pb.directory(probe.toFile());
    File out = File.createTempFile("jvm", ".out", probe.toFile());
    File err = File.createTempFile("jvm", ".err", probe.toFile());
    pb.redirectOutput(out).redirectError(err).redirectInput(new File("/dev/null"));
    Map<String, Object> answer = new LinkedHashMap<>();
    try {
      Process p = pb.start();
      if (!p.waitFor(20, TimeUnit.SECONDS)) {
        p.destroyForcibly().waitFor();
      }
      describe(answer, p.exitValue(), Files.readString(out.toPath(), StandardCharsets.ISO_8859_1), Files.readString(err.toPath(), StandardCharsets.ISO_8859_1));
    } catch (IOException e) {
      answer.put("error", Judge.text(e));
    } finally {
      out.delete();
      err.delete();
    }
    if (known.size() > 20000) {
      known.clear();
    }
    known.put(key, answer);
    return answer;
  }

  private static final Set<String> FLAGS = Set.of("MaxHeapSize", "InitialHeapSize", "MinHeapSize", "ThreadStackSize", "MaxDirectMemorySize",
      "NewSize", "MaxNewSize", "SoftMaxHeapSize", "MaxMetaspaceSize", "ReservedCodeCacheSize");

  private static final Set<String> OWN = Set.of("awt.toolkit");

  private static void describe(Map<String, Object> answer, int exit, String out, String err) throws IOException {
    Map<String, Object> flags = new TreeMap<>();
    for (String line : out.split("\n")) {
      String[] words = line.trim().split("\\s+");
      if (words.length > 3 && words[2].equals("=") && FLAGS.contains(words[1])) {
        flags.put(words[1], Long.parseUnsignedLong(words[3]));
      }
    }
    answer.put("flags", flags);
    int at = out.indexOf("PROBE ");
    if (at >= 0) {
      JsonNode said = JSON.readTree(out.substring(at + 6, out.indexOf('\n', at)));
      Map<String, String> properties = new TreeMap<>();
      said.get("properties").fields().forEachRemaining(e -> {
        if (!OWN.contains(e.getKey()) && !e.getKey().matches("(java|jdk|sun|user|os|file|path|line|native|stdout|stderr)\\..*")) {
          properties.put(e.getKey(), e.getValue().asText());
        }
      });
      answer.put("properties", properties);
      answer.put("classPath", said.get("properties").get("java.class.path").asText());
      answer.put("args", JSON.convertValue(said.get("args"), List.class));
      return;
    }
    // The main class was not reached: another one, another class path, or no JVM at all.
    String why = "exit " + exit;
    for (String line : err.split("\n")) {
      if (line.startsWith("Error:") || line.startsWith("Unrecognized") || line.startsWith("Invalid") || line.contains("java.class.path =") || line.contains("FindException")) {
        why += "; " + line.trim();
      }
    }
    answer.put("error", why);
  }

  static List<String> splice(List<?> got, List<String> args) {
    List<String> out = new ArrayList<>();
    for (Object a : got) {
      if (a.equals(ENDS)) {
        out.addAll(args);
      } else {
        out.add((String) a);
      }
    }
    return out;
  }
}
