#!/usr/bin/env bash
# build.sh OUTPUT: an Elasticsearch home of the jars that Maven Central has (JDK 17). OUTPUT/home is the home,
# OUTPUT/classes has EsNode, which starts a node in it. For tests only, never shipped.
set -euo pipefail
output="$1"
version=8.19.21
home="$output/home"
modules="$home/modules"
mkdir -p "$home"/{lib,config,plugins,logs} "$modules"/{transport-netty4,local-rest} "$output"/{classes,native} plugin

mvn --quiet --batch-mode "-Des.version=$version" dependency:copy-dependencies "-DoutputDirectory=$PWD/jars" -DincludeScope=runtime
mv jars/netty-*.jar jars/transport-netty4-*.jar jars/elasticsearch-ssl-config-*.jar "$modules/transport-netty4/"
mv jars/*.jar "$home/lib/"

javac --release 17 --module-path "$home/lib" --add-modules org.elasticsearch.server -d "$output/classes" EsNode.java
javac --release 17 -cp "$home/lib/*" -d plugin LocalRestPlugin.java
jar --create --file "$modules/local-rest/local-rest.jar" -C plugin .

describe_module() {
  printf '%s\n' "description=$1" "version=$version" "name=$1" "classname=$2" java.version=17 \
    "elasticsearch.version=$version" has.native.controller=false >"$modules/$1/plugin-descriptor.properties"
}
describe_module transport-netty4 org.elasticsearch.transport.netty4.Netty4Plugin
echo modulename=org.elasticsearch.transport.netty4 >>"$modules/transport-netty4/plugin-descriptor.properties"
describe_module local-rest local.LocalRestPlugin

: >"$home/config/elasticsearch.yml"
cp log4j2.properties "$home/config/"
zstd="$(find /usr/lib -name libzstd.so.1 2>/dev/null | head -1)"
if [ -n "$zstd" ]; then ln -s "$zstd" "$output/native/libzstd.so"; fi
