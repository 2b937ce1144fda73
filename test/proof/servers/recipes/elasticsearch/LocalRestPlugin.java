package local;

import java.util.Collection;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.regex.Regex;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.ToXContent;
import org.elasticsearch.xcontent.XContentBuilder;

/** {@code GET /} and {@code GET _data_stream[/name]}: what the modules rest-root and data-streams, which are not on Maven Central, would answer. */
public class LocalRestPlugin extends Plugin implements ActionPlugin {
  private volatile ClusterService clusterService;

  @Override
  public Collection<?> createComponents(PluginServices services) {
    clusterService = services.clusterService();
    return List.of();
  }

  @Override
  public Collection<RestHandler> getRestHandlers(
      Settings settings,
      NamedWriteableRegistry registry,
      RestController controller,
      ClusterSettings clusterSettings,
      IndexScopedSettings indexSettings,
      SettingsFilter filter,
      IndexNameExpressionResolver resolver,
      Supplier<DiscoveryNodes> nodes,
      Predicate<NodeFeature> features) {
    return List.of(new Root(), new DataStreams());
  }

  private class Root extends BaseRestHandler {
    @Override
    public String getName() {
      return "local_root";
    }

    @Override
    public List<Route> routes() {
      return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
      request.param("pretty");
      return channel -> {
        XContentBuilder body = channel.newBuilder().startObject();
        body.field("name", clusterService.getNodeName());
        body.field("cluster_name", clusterService.getClusterName().value());
        body.field("cluster_uuid", clusterService.state().metadata().clusterUUID());
        body.startObject("version");
        body.field("number", Build.current().version());
        body.field("build_flavor", "default");
        body.field("build_hash", Build.current().hash());
        body.field("build_date", Build.current().date());
        body.field("lucene_version", Version.LATEST.toString());
        body.endObject();
        body.field("tagline", "You Know, for Search").endObject();
        channel.sendResponse(new RestResponse(RestStatus.OK, body));
      };
    }
  }

  private class DataStreams extends BaseRestHandler {
    @Override
    public String getName() {
      return "local_data_stream";
    }

    @Override
    public List<Route> routes() {
      return List.of(
          new Route(RestRequest.Method.GET, "/_data_stream"), new Route(RestRequest.Method.GET, "/_data_stream/{name}"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
      request.param("pretty");
      request.param("expand_wildcards");
      String[] patterns = request.param("name", "*").split(",");
      return channel -> {
        XContentBuilder body = channel.newBuilder().startObject().startArray("data_streams");
        for (DataStream stream : clusterService.state().metadata().dataStreams().values()) {
          if (Regex.simpleMatch(patterns, stream.getName())) stream.toXContent(body, ToXContent.EMPTY_PARAMS);
        }
        body.endArray().endObject();
        channel.sendResponse(new RestResponse(RestStatus.OK, body));
      };
    }
  }
}
