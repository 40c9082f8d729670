import ch.qos.logback.classic.LoggerContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/** Sends a few records to a server with loki4j's appender for logback; where to, logback.xml takes from properties. */
public class Send {
  public static void main(String[] arguments) {
    Logger logger = LoggerFactory.getLogger("shop.Send");
    logger.debug("not sent");
    logger.info("cart opened");
    MDC.put("area", "pay");
    MDC.put("order", "o-7");
    logger.error("two\nlines \"quoted\" \u2603");
    // Stopping sends what waits.
    ((LoggerContext) LoggerFactory.getILoggerFactory()).stop();
  }
}
