//go:build tools

// Package influxd pins the InfluxDB server that the tests build, and the pkg-config that its build needs:
// only go.mod and go.sum matter.
package influxd

import (
	_ "github.com/influxdata/influxdb/v2/cmd/influxd"
	_ "github.com/influxdata/pkg-config"
)
