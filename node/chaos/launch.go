package chaos

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Launch says how a validator is started, beyond what a devnet does.
type Launch struct {
	Within []string // command that runs it, such as ip netns exec NAME
	Flags  []string // of remora run
}

// Relaunch sets how a validator is started from its next start on.
func (n *Network) Relaunch(validator int, l Launch) error {
	changed := maps.Clone(n.options.Launch)
	if changed == nil {
		changed = map[string]Launch{}
	}
	changed[n.names[validator]] = l
	n.options.Launch = changed
	return n.writeLauncher()
}

func (n *Network) launcherPath() string { return filepath.Join(n.options.Dir, "launch") }

// writeLauncher writes the program that a devnet starts in place of remora. Its arguments are run --home DIR and
// perhaps more, where DIR ends in the validator's name. It execs the validator, which thus keeps the process number.
// The file is replaced atomically, because a validator may be starting.
func (n *Network) writeLauncher() error {
	var script strings.Builder
	script.WriteString("#!/bin/sh\ncase \"${3##*/}\" in\n")
	for _, name := range slices.Sorted(maps.Keys(n.options.Launch)) {
		l := n.options.Launch[name]
		fmt.Fprintf(&script, "%s) exec %s \"$@\" %s ;;\n", name, quoteWords(append(slices.Clone(l.Within), n.options.Binary)), quoteWords(l.Flags))
	}
	fmt.Fprintf(&script, "*) exec %s \"$@\" ;;\nesac\n", quoteWords([]string{n.options.Binary}))
	path := n.launcherPath()
	if err := os.WriteFile(path+".new", []byte(script.String()), 0o700); err != nil {
		return fmt.Errorf("write the launcher: %w", err)
	}
	return os.Rename(path+".new", path)
}

// quoteWords quotes words for a shell.
func quoteWords(words []string) string {
	spelled := make([]string, len(words))
	for i, w := range words {
		spelled[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(spelled, " ")
}
