package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/config"
)

// line is a command line taken apart.
type line struct {
	path  []string       // names of the commands down to leaf
	leaf  *cli.Command   // nil: none was named
	below []*cli.Command // commands that may follow leaf
	flags []string       // --name=value, or --name
	args  []string
}

// arrange puts a command line into the one order that the library reads in full: commands, flags, arguments. Flags may
// stand anywhere before "--". Unknown commands and flags, missing values and a wrong number of arguments are refused.
func arrange(tree []*cli.Command, argv []string) ([]string, error) {
	if len(argv) > 0 && argv[0] == "help" {
		argv = append(slices.Clone(argv[1:]), "--help")
	}
	l := &line{below: tree}
	arity := arities(tree)
	for i := 0; i < len(argv); i++ {
		token := argv[i]
		switch {
		case token == "--":
			l.args = append(l.args, argv[i+1:]...)
			i = len(argv)
		case len(token) > 1 && token[0] == '-':
			used, err := l.flag(arity, token, argv[i+1:])
			if err != nil {
				return nil, err
			}
			i += used
		default:
			if err := l.word(token); err != nil {
				return nil, err
			}
		}
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	out := append(l.path, l.flags...)
	if len(l.args) > 0 {
		out = append(append(out, "--"), l.args...)
	}
	return out, nil
}

// arities tells of every flag of the program whether it takes a value. A name means the same in all commands.
func arities(tree []*cli.Command) map[string]bool {
	known := map[string]bool{"help": false, "h": false}
	for _, c := range tree {
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				known[name] = takesValue(f)
			}
		}
		for name, value := range arities(c.Subcommands) {
			known[name] = value
		}
	}
	return known
}

func takesValue(f cli.Flag) bool {
	_, isBool := f.(*cli.BoolFlag)
	return !isBool
}

// flag takes a flag, and its value when that is the next word. Whether the command has the flag is known at the end.
func (l *line) flag(arity map[string]bool, token string, rest []string) (used int, err error) {
	name, _, joined := strings.Cut(strings.TrimLeft(token, "-"), "=")
	valued, known := arity[name]
	switch {
	case !known:
		return 0, l.usage("unknown flag %q%s", token, near("--"+name, l.flagNames()))
	case !valued || joined:
		l.flags = append(l.flags, "--"+strings.TrimLeft(token, "-"))
		return 0, nil
	case len(rest) == 0:
		return 0, l.usage("flag --%s needs a value", name)
	}
	l.flags = append(l.flags, "--"+name+"="+rest[0])
	return 1, nil
}

// word takes the name of a command or an argument.
func (l *line) word(token string) error {
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
		return l.usage("unknown command %.64q%s", token, near(token, names))
	}
	l.leaf = l.below[i]
	l.path, l.below = append(l.path, l.leaf.Name), l.leaf.Subcommands
	return nil
}

// check holds flags and arguments against the command.
func (l *line) check() error {
	given := map[string]bool{}
	for _, f := range l.flags {
		name, _, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		if name == "help" || name == "h" {
			l.args = nil
			l.flags = []string{"--help"}
			return nil
		}
		flag := l.find(name)
		switch {
		case flag == nil:
			return l.usage("unknown flag --%s%s", name, near("--"+name, l.flagNames()))
		case given[flag.Names()[0]] && !repeats(flag):
			return l.usage("flag --%s is given twice", name)
		}
		given[flag.Names()[0]] = true
	}
	if l.leaf == nil {
		return nil
	}
	for _, f := range l.leaf.Flags {
		if r, ok := f.(cli.RequiredFlag); ok && r.IsRequired() && !given[f.Names()[0]] {
			return l.usage("flag --%s is missing", f.Names()[0])
		}
	}
	return l.count()
}

// count holds the number of arguments against the command's ArgsUsage, where [ ] marks what may be left out.
func (l *line) count() error {
	if len(l.below) > 0 {
		if len(l.flags) == 0 {
			return l.usage("a command is missing after %q", strings.Join(l.path, " "))
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
		return l.usage("argument %s is missing", words[len(l.args)])
	case len(l.args) > len(words):
		return l.usage("unexpected argument %.64q", l.args[len(words)])
	}
	return nil
}

func (l *line) find(name string) cli.Flag {
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

func repeats(f cli.Flag) bool {
	_, many := f.(*cli.StringSliceFlag)
	return many
}

func (l *line) flagNames() []string {
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

func (l *line) usage(format string, args ...any) error {
	return &usageError{command: strings.Join(append([]string{"remora"}, l.path...), " "), reason: fmt.Sprintf(format, args...)}
}

func near(name string, known []string) string {
	if best, ok := config.Nearest(name, known); ok {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	return ""
}
