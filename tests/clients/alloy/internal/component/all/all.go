// Package all registers the components that this build has.
package all

import (
	_ "github.com/grafana/alloy/internal/component/local/file_match"
	_ "github.com/grafana/alloy/internal/component/loki/process"
	_ "github.com/grafana/alloy/internal/component/loki/relabel"
	_ "github.com/grafana/alloy/internal/component/loki/source/api"
	_ "github.com/grafana/alloy/internal/component/loki/source/file"
	_ "github.com/grafana/alloy/internal/component/loki/write"
	_ "github.com/grafana/alloy/internal/component/otelcol/exporter/loki"
	_ "github.com/grafana/alloy/internal/component/otelcol/exporter/otlphttp"
	_ "github.com/grafana/alloy/internal/component/otelcol/receiver/loki"
	_ "github.com/grafana/alloy/internal/component/otelcol/receiver/otlp"
)
