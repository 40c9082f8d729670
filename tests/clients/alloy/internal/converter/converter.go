// Package converter stands for the one that turns other programs' files into Alloy's: this build has none.
package converter

import "github.com/grafana/alloy/internal/converter/diag"

// Input names the kind of a file.
type Input string

// SupportedFormats are none.
var SupportedFormats []string

// Convert refuses every kind.
func Convert(_ []byte, kind Input, _ []string) ([]byte, diag.Diagnostics) {
	var diags diag.Diagnostics
	diags.Add(diag.SeverityLevelCritical, "no converter for "+string(kind))
	return nil, diags
}
