package chaos

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Launch is how a validator is started, beyond what a devnet does.
type Launch struct {
	Within []string // the command that runs it, such as ip netns exec NAME
	Flags  []string // of remora run
}

// Relaunch sets how a validator is started from now on.
func (n *Network) Relaunch(validator int, l Launch) error {
	changed := maps.Clone(n.options.Launch)
	if changed == nil {
		changed = map[string]Launch{}
	}
	changed[n.names[validator]] = l
	n.options.Launch = changed
	return n.writeLauncher()
}

func (n *Network) launcher() string { return filepath.Join(n.options.Dir, "launch") }

// writeLauncher writes the program that a devnet starts in place of remora: run --home DIR and perhaps more arguments,
// DIR ending in the validator's name. It becomes the validator, so that the process keeps its number. The file is
// replaced at once: a validator may be starting.
func (n *Network) writeLauncher() error {
	var script strings.Builder
	script.WriteString("#!/bin/sh\ncase \"${3##*/}\" in\n")
	for _, name := range slices.Sorted(maps.Keys(n.options.Launch)) {
		l := n.options.Launch[name]
		fmt.Fprintf(&script, "%s) exec %s \"$@\" %s ;;\n", name, quoted(append(slices.Clone(l.Within), n.options.Binary)), quoted(l.Flags))
	}
	fmt.Fprintf(&script, "*) exec %s \"$@\" ;;\nesac\n", quoted([]string{n.options.Binary}))
	path := n.launcher()
	if err := os.WriteFile(path+".new", []byte(script.String()), 0o700); err != nil {
		return fmt.Errorf("write the launcher: %w", err)
	}
	return os.Rename(path+".new", path)
}

// quoted spells words for a shell.
func quoted(words []string) string {
	spelled := make([]string, len(words))
	for i, w := range words {
		spelled[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(spelled, " ")
}
