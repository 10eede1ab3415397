import java.io.File;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

import org.apache.livy.Job;
import org.apache.livy.JobContext;
import org.apache.livy.JobHandle;
import org.apache.livy.LivyClient;
import org.apache.livy.LivyClientBuilder;

/** Computes with Livy's own Java client: JavaClient URL JAR, the jar holding these classes. */
public class JavaClient {
  static class Pi implements Job<Double> {
    @Override
    public Double call(JobContext context) {
      List<Integer> seeds = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        seeds.add(i);
      }
      int each = 50000;
      long inside = context.sc().parallelize(seeds, 2).map(seed -> inCircle(seed, each)).reduce(Long::sum);
      return 4.0 * inside / each / seeds.size();
    }

    static long inCircle(int seed, int points) {
      Random random = new Random(seed);
      return random.doubles(points).filter(x -> Math.hypot(x, random.nextDouble()) < 1).count();
    }
  }

  static class Sleep implements Job<Integer> {
    @Override
    public Integer call(JobContext context) {
      return context.sc().parallelize(List.of(120), 1).map(seconds -> {
        TimeUnit.SECONDS.sleep(seconds);
        return seconds;
      }).first();
    }
  }

  public static void main(String[] args) throws Exception {
    LivyClient client = new LivyClientBuilder(false).setURI(new URI(args[0])).build();
    try {
      client.uploadJar(new File(args[1])).get();
      System.out.println("uploaded");
      System.out.println("pi " + client.submit(new Pi()).get());
      JobHandle<Integer> handle = client.submit(new Sleep());
      while (handle.getState() != JobHandle.State.STARTED) {
        TimeUnit.MILLISECONDS.sleep(100);
      }
      handle.cancel(true);
      try {
        System.out.println("ended " + handle.get(100, TimeUnit.SECONDS));
      } catch (CancellationException | ExecutionException e) { // Livy 0.8.0 says that it failed
        System.out.println("cancelled");
      }
      System.out.println("afterwards " + client.run(context -> 6 * 7).get());
    } finally {
      client.stop(true);
    }
    System.out.println("stopped");
  }
}
