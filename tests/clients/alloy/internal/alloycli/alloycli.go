package alloycli

import (
	"os"
)

// Run runs Alloy: this build has the one command.
func Run() {
	if err := runCommand().Execute(); err != nil {
		os.Exit(1)
	}
}
