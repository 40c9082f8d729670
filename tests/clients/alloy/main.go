// Alloy with the components that carry logs, for tests.
package main

import "github.com/grafana/alloy/internal/alloycli"

func main() {
	alloycli.Run()
}
