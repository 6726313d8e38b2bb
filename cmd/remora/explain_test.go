package main

import (
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
)

// Every code that the program or a node can print is explained, once, with a way out.
func TestEveryCodeIsExplained(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range codes {
		if seen[c.Code] || c.Meaning == "" || c.Fix == "" {
			t.Errorf("%s is there twice or says nothing", c.Code)
		}
		seen[c.Code] = true
	}
	printed := []string{
		client.CodeBadRequest, client.CodeForbiddenOrigin, client.CodeNotFound, client.CodeMethodNotAllowed, client.CodeNotCertified,
		client.CodeTooLarge, client.CodeUnsupportedMedia, client.CodeServerBusy, client.CodeInternal,
		codeDiverged, codeUnverified, codeFailed, codeUsage,
	}
	for code := remora.CodeOK + 1; slices.Contains(allNames(), code.String()); code++ {
		printed = append(printed, code.String())
	}
	for _, name := range printed {
		if !seen[name] {
			t.Errorf("%s is not explained", name)
		}
	}
}

// allNames lists the codes of transactions by asking for each number.
func allNames() []string {
	var names []string
	for i := range 256 {
		var back remora.Code
		name := remora.Code(i).String()
		if back.UnmarshalText([]byte(name)) == nil {
			names = append(names, name)
		}
	}
	return names
}
