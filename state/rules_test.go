package state

import (
	"strings"
	"testing"

	"github.com/remora-network/remora"
)

// TestKindsHaveNames holds the rules against the names of the kinds.
func TestKindsHaveNames(t *testing.T) {
	for kind, rule := range rules {
		if name := remora.Kind(kind).String(); rule != nil && (name == "" || strings.HasPrefix(name, "kind-")) {
			t.Errorf("the kind %d has a rule and no name in kindNames", kind)
		}
	}
}
