// Reads resources of the Prometheus Operator from standard input and fails if one has a field that the operator does not know.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	v1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

var kinds = map[string]func() any{
	"PodMonitor":     func() any { return &v1.PodMonitor{} },
	"PrometheusRule": func() any { return &v1.PrometheusRule{} },
	"ServiceMonitor": func() any { return &v1.ServiceMonitor{} },
}

func main() {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail("standard input: %v", err)
	}
	for _, document := range strings.Split("\n"+string(input), "\n---") {
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			fail("%v", err)
		}
		if head.APIVersion != "monitoring.coreos.com/v1" {
			continue
		}
		make, known := kinds[head.Kind]
		if !known {
			fail("unknown kind %s", head.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(document), make()); err != nil {
			fail("%s: %v", head.Kind, err)
		}
		fmt.Println(head.Kind)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
