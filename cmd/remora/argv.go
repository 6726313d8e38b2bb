package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/config"
)

// line is a parsed command line.
type line struct {
	path  []string       // names of the commands down to leaf
	leaf  *cli.Command   // nil: none was named
	below []*cli.Command // commands that may follow leaf
	flags []string       // --name=value, or --name
	args  []string
}

// arrangeArgs sorts a command line into commands, flags and arguments, because the library ignores flags after arguments.
// Flags may stand anywhere before "--". Unknown commands and flags, missing values and wrong numbers of arguments are errors.
func arrangeArgs(tree []*cli.Command, argv []string) ([]string, error) {
	if len(argv) > 0 && argv[0] == "help" {
		argv = append(slices.Clone(argv[1:]), "--help")
	}
	l := &line{below: tree}
	arity := flagArities(tree)
	for i := 0; i < len(argv); i++ {
		token := argv[i]
		switch {
		case token == "--":
			l.args = append(l.args, argv[i+1:]...)
			i = len(argv)
		case len(token) > 1 && token[0] == '-':
			used, err := l.takeFlag(arity, token, argv[i+1:])
			if err != nil {
				return nil, err
			}
			i += used
		default:
			if err := l.takeWord(token); err != nil {
				return nil, err
			}
		}
	}
	if err := l.checkFlags(); err != nil {
		return nil, err
	}
	out := append(l.path, l.flags...)
	if len(l.args) > 0 {
		out = append(append(out, "--"), l.args...)
	}
	return out, nil
}

// flagArities returns for every flag of the program whether it takes a value. A flag has the same arity in all commands.
func flagArities(tree []*cli.Command) map[string]bool {
	known := map[string]bool{"help": false, "h": false}
	for _, c := range tree {
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				known[name] = takesValue(f)
			}
		}
		for name, value := range flagArities(c.Subcommands) {
			known[name] = value
		}
	}
	return known
}

func takesValue(f cli.Flag) bool {
	_, isBool := f.(*cli.BoolFlag)
	return !isBool
}

// takeFlag adds a flag, with the next word if that is its value. checkFlags later checks that the command has the flag.
func (l *line) takeFlag(arity map[string]bool, token string, rest []string) (used int, err error) {
	name, _, joined := strings.Cut(strings.TrimLeft(token, "-"), "=")
	valued, known := arity[name]
	switch {
	case !known:
		return 0, l.newError("unknown flag %q%s", token, suggestName("--"+name, l.listFlags()))
	case !valued || joined:
		l.flags = append(l.flags, "--"+strings.TrimLeft(token, "-"))
		return 0, nil
	case len(rest) == 0:
		return 0, l.newError("flag --%s needs a value", name)
	}
	l.flags = append(l.flags, "--"+name+"="+rest[0])
	return 1, nil
}

// takeWord adds the name of a command or an argument.
func (l *line) takeWord(token string) error {
	if len(l.below) == 0 {
		l.args = append(l.args, token)
		return nil
	}
	i := slices.IndexFunc(l.below, func(c *cli.Command) bool { return c.HasName(token) })
	if i < 0 {
		var names []string
		for _, c := range l.below {
			names = append(names, c.Name)
		}
		return l.newError("unknown command %.64q%s", token, suggestName(token, names))
	}
	l.leaf = l.below[i]
	l.path, l.below = append(l.path, l.leaf.Name), l.leaf.Subcommands
	return nil
}

// checkFlags checks flags and arguments against the command.
func (l *line) checkFlags() error {
	given := map[string]bool{}
	for _, f := range l.flags {
		name, _, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		if name == "help" || name == "h" {
			l.args = nil
			l.flags = []string{"--help"}
			return nil
		}
		flag := l.findFlag(name)
		switch {
		case flag == nil:
			return l.newError("unknown flag --%s%s", name, suggestName("--"+name, l.listFlags()))
		case given[flag.Names()[0]] && !isRepeatable(flag):
			return l.newError("flag --%s is given twice", name)
		}
		given[flag.Names()[0]] = true
	}
	if l.leaf == nil {
		return nil
	}
	for _, f := range l.leaf.Flags {
		if r, ok := f.(cli.RequiredFlag); ok && r.IsRequired() && !given[f.Names()[0]] {
			return l.newError("flag --%s is missing", f.Names()[0])
		}
	}
	return l.checkArgs()
}

// checkArgs checks the number of arguments against the command's ArgsUsage, where [ ] marks optional ones.
func (l *line) checkArgs() error {
	if len(l.below) > 0 {
		if len(l.flags) == 0 {
			return l.newError("a command is missing after %q", strings.Join(l.path, " "))
		}
		return nil
	}
	words := strings.Fields(l.leaf.ArgsUsage)
	needed := 0
	for _, w := range words {
		if !strings.HasPrefix(w, "[") {
			needed++
		}
	}
	switch {
	case len(l.args) < needed:
		return l.newError("argument %s is missing", words[len(l.args)])
	case len(l.args) > len(words):
		return l.newError("unexpected argument %.64q", l.args[len(words)])
	}
	return nil
}

func (l *line) findFlag(name string) cli.Flag {
	if l.leaf == nil {
		return nil
	}
	for _, f := range l.leaf.Flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func isRepeatable(f cli.Flag) bool {
	_, many := f.(*cli.StringSliceFlag)
	return many
}

func (l *line) listFlags() []string {
	names := []string{"--help"}
	if l.leaf != nil {
		for _, f := range l.leaf.Flags {
			if v, ok := f.(cli.VisibleFlag); !ok || v.IsVisible() {
				names = append(names, "--"+f.Names()[0])
			}
		}
	}
	return names
}

func (l *line) newError(format string, args ...any) error {
	return &usageError{command: strings.Join(append([]string{"remora"}, l.path...), " "), reason: fmt.Sprintf(format, args...)}
}

func suggestName(name string, known []string) string {
	if best, ok := config.Nearest(name, known); ok {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	return ""
}
