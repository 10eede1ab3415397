import java.io.File
import java.net.URI
import java.util.Random

import scala.concurrent.Await
import scala.concurrent.duration._

import org.apache.livy.LivyClientBuilder
import org.apache.livy.scalaapi._

/** Computes with Livy's own Scala client: ScalaClient URL JAR..., the jars that its jobs need. */
object ScalaClient {
  def inCircle(seed: Int): Long = {
    val random = new Random(seed)
    (1 to 50000).count(_ => math.hypot(random.nextDouble, random.nextDouble) < 1)
  }

  def main(args: Array[String]): Unit = {
    val client = new LivyClientBuilder(false).setURI(new URI(args(0))).build().asScalaClient
    try {
      args.tail.foreach(jar => Await.result(client.uploadJar(new File(jar)), 5.minutes))
      println("uploaded")
      val pi = client.submit(context => 4.0 * context.sc.parallelize(0 until 4, 2).map(inCircle).reduce(_ + _) / 200000)
      println("pi " + Await.result(pi, 5.minutes))
      println("afterwards " + Await.result(client.run(_ => 6 * 7), 5.minutes))
    } finally {
      client.stop(true)
    }
    println("stopped")
  }
}
