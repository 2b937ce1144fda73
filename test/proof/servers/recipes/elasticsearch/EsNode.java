import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginBundle;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * One real Elasticsearch node in this JVM, without its bootstrap, which wants files that are not on Maven Central; so there
 * is no security. Arguments: home, data directory, HTTP port, transport port.
 */
public class EsNode {
  public static void main(String[] arguments) throws Exception {
    Path home = Path.of(arguments[0]).toAbsolutePath();
    Path data = Path.of(arguments[1]).toAbsolutePath();
    Path logs = Files.createDirectories(data.resolve("logs"));
    System.setProperty("es.path.home", home.toString());
    System.setProperty("es.path.conf", home.resolve("config").toString());
    Settings settings =
        Settings.builder()
            .put("path.home", home.toString())
            .put("path.data", data.toString())
            .put("path.logs", logs.toString())
            .put("cluster.name", "local")
            .put("node.name", "node")
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments[2])
            .put("transport.port", arguments[3])
            .put("discovery.type", "single-node")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
    LogConfigurator.setNodeName("node");
    LogConfigurator.registerErrorListener();
    LogConfigurator.configureESLogging();
    Environment environment =
        InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "node");
    LogConfigurator.configure(environment, true);

    Node node = new Node(environment, loadPlugins(home.resolve("modules")));
    CountDownLatch closed = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node, closed)));
    node.start();
    closed.await();
  }

  /** The method is not public API and has had other parameters in other versions. */
  @SuppressWarnings("unchecked")
  private static PluginsLoader loadPlugins(Path modules) throws Exception {
    for (Method method : PluginsLoader.class.getMethods()) {
      if (!method.getName().equals("loadModulesBundles")) continue;
      Object bundles = method.getParameterCount() == 1 ? method.invoke(null, modules) : method.invoke(null, modules, false);
      return PluginsLoader.createPluginsLoader((Set<PluginBundle>) bundles, Set.of(), Map.of(), true);
    }
    throw new IllegalStateException("PluginsLoader has no method loadModulesBundles");
  }

  private static void close(Node node, CountDownLatch closed) {
    try {
      node.close();
    } catch (Exception error) {
      error.printStackTrace();
    }
    closed.countDown();
  }
}
