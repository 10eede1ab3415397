import java.io.File;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;

import org.apache.spark.SparkConf;
import org.apache.spark.internal.config.ConfigEntry;
import org.apache.spark.internal.config.ConfigReader;
import scala.Option;
import scala.Tuple2;

/** The settings that a Spark knows, and how it reads them. */
final class Settings {
  private final List<ConfigEntry<?>> entries = new ArrayList<>();
  private final Map<String, String> unset;

  Settings() throws Exception {
    // Entries register themselves when the objects that hold them are loaded.
    for (String name : holders()) {
      try {
        Class.forName(name);
      } catch (Throwable ignored) {
        // Holders of optional parts need classes that are not there.
      }
    }
    Object module = Class.forName("org.apache.spark.internal.config.ConfigEntry$").getField("MODULE$").get(null);
    for (Object e : ((Map<?, ?>) field(module, "knownConfigs")).values()) {
      entries.add((ConfigEntry<?>) e);
    }
    unset = all(Map.of());
  }

  /** Every setting that this Spark knows, read as Spark reads it, old names included. */
  private Map<String, String> all(Map<String, String> settings) {
    SparkConf conf = new SparkConf(false);
    settings.forEach(conf::set);
    Map<String, String> out = new TreeMap<>();
    ConfigReader reader = new ConfigReader(new org.apache.spark.internal.config.SparkConfigProvider(of(conf)));
    for (ConfigEntry<?> e : entries) {
      try {
        Object v = e.readFrom(reader);
        if (v instanceof Option) {
          v = ((Option<?>) v).isEmpty() ? "(none)" : ((Option<?>) v).get();
        }
        out.put(e.key(), String.valueOf(v));
      } catch (Throwable t) {
        out.put(e.key(), "(bad) " + Judge.text(t));
      }
    }
    return out;
  }

  /** The same, without what is Spark's default. */
  Map<String, String> read(Map<String, String> settings) {
    Map<String, String> read = all(settings);
    read.entrySet().removeIf(e -> e.getValue().equals(unset.get(e.getKey())));
    return read;
  }

  /** What a configuration holds. */
  static Map<String, String> of(SparkConf conf) {
    Map<String, String> out = new TreeMap<>();
    for (Tuple2<String, String> kv : conf.getAll()) {
      if (!kv._1().equals("spark.testing")) {
        out.put(kv._1(), kv._2());
      }
    }
    return out;
  }

  Map<String, Object> inventory() throws Exception {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("version", org.apache.spark.package$.MODULE$.SPARK_VERSION());
    Map<String, Object> settings = new TreeMap<>();
    for (ConfigEntry<?> e : entries) {
      List<String> others = new ArrayList<>(scala.collection.JavaConverters.seqAsJavaList(e.alternatives()));
      settings.put(e.key(), others);
    }
    Object conf = Class.forName("org.apache.spark.SparkConf$").getField("MODULE$").get(null);
    scala.collection.Map<?, ?> alternatives = (scala.collection.Map<?, ?>) field(conf, "org$apache$spark$SparkConf$$configsWithAlternatives");
    for (Map.Entry<?, ?> e : scala.collection.JavaConverters.mapAsJavaMap(alternatives).entrySet()) {
      @SuppressWarnings("unchecked")
      List<String> others = (List<String>) settings.computeIfAbsent((String) e.getKey(), k -> new ArrayList<String>());
      for (Object a : scala.collection.JavaConverters.seqAsJavaList((scala.collection.Seq<?>) e.getValue())) {
        others.add((String) field(a, "key"));
      }
    }
    out.put("settings", settings);
    scala.collection.Map<?, ?> deprecated = (scala.collection.Map<?, ?>) field(conf, "deprecatedConfigs");
    out.put("deprecated", new TreeSet<>(scala.collection.JavaConverters.mapAsJavaMap(deprecated).keySet()));
    out.put("mains", mains());
    out.put("kubernetes", kubernetesPrefixes());
    return out;
  }

  /** The beginnings of settings for Kubernetes whose names end with a name of the user's choice. */
  private static Set<String> kubernetesPrefixes() throws Exception {
    Set<String> out = new TreeSet<>();
    Object config = Class.forName("org.apache.spark.deploy.k8s.Config$").getField("MODULE$").get(null);
    for (Method m : config.getClass().getMethods()) {
      if (m.getParameterCount() == 0 && m.getReturnType() == String.class) {
        String value = (String) m.invoke(config);
        if (value != null && value.startsWith("spark.kubernetes.")) {
          out.add(value);
        }
      }
    }
    return out;
  }

  /** The classes of Spark's own jars that have a main. */
  private static Set<String> mains() throws IOException {
    Set<String> out = new TreeSet<>();
    for (String name : classes("org/apache/spark/")) {
      if (name.contains("$")) {
        continue;
      }
      try {
        Class<?> c = Class.forName(name, false, Settings.class.getClassLoader());
        if (Modifier.isStatic(c.getMethod("main", String[].class).getModifiers())) {
          out.add(name);
        }
      } catch (Throwable ignored) {
        // Not a program, or one whose libraries are not there.
      }
    }
    return out;
  }

  private static List<String> holders() throws IOException {
    List<String> out = new ArrayList<>();
    for (String name : classes("org/apache/spark/")) {
      String last = name.substring(name.lastIndexOf('.') + 1);
      if (name.startsWith("org.apache.spark.internal.config.") && last.endsWith("$") || name.endsWith(".config.package$")
          || last.equals("Config$") || last.equals("SQLConf$") || last.equals("StaticSQLConf$") || last.equals("StreamingConf$")) {
        out.add(name);
      }
    }
    return out;
  }

  private static List<String> classes(String folder) throws IOException {
    List<String> out = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      if (!new File(entry).getName().startsWith("spark-")) {
        continue;
      }
      try (JarFile jar = new JarFile(entry)) {
        jar.stream().map(ZipEntry::getName).filter(n -> n.startsWith(folder) && n.endsWith(".class"))
            .forEach(n -> out.add(n.substring(0, n.length() - 6).replace('/', '.')));
      }
    }
    return out;
  }

  private static Object field(Object of, String name) throws Exception {
    Field f = of.getClass().getDeclaredField(name);
    f.setAccessible(true);
    return f.get(of);
  }
}
