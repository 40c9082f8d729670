package vm

import "github.com/grafana/alloy/syntax/internal/stdlib"

// NewScope makes a scope without a parent.
func NewScope(variables map[string]interface{}) *Scope {
	return &Scope{Variables: variables}
}

// IsStdlibIdentifiers says whether the standard library has the name.
func (s *Scope) IsStdlibIdentifiers(name string) bool {
	_, ok := stdlib.Identifiers[name]
	return ok
}

// IsStdlibDeprecated is never so here.
func (s *Scope) IsStdlibDeprecated(string) bool { return false }

// IsStdlibExperimental is never so here.
func (s *Scope) IsStdlibExperimental(string) bool { return false }
