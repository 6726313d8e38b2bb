package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// leaves calls visit for every command that does something, with the names that lead to it.
func leaves(tree []*cli.Command, path []string, visit func(path []string, c *cli.Command)) {
	for _, c := range tree {
		here := append(slices.Clone(path), c.Name)
		if len(c.Subcommands) == 0 {
			visit(here, c)
		}
		leaves(c.Subcommands, here, visit)
	}
}

func tree() []*cli.Command {
	p := &program{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	return p.commandTree()
}

// sample gives every flag of a command once, and as many arguments as it takes.
func sample(c *cli.Command) (flags, args []string) {
	for _, f := range c.Flags {
		flags = append(flags, "--"+f.Names()[0])
		if takesValue(f) {
			flags = append(flags, "-1")
		}
	}
	for range strings.Fields(c.ArgsUsage) {
		args = append(args, "argument")
	}
	return flags, args
}

// Flags mean the same before and after the arguments, and before the command, in every command.
func TestFlagsStandAnywhere(t *testing.T) {
	leaves(tree(), nil, func(path []string, c *cli.Command) {
		flags, args := sample(c)
		early, err := arrangeArgs(tree(), slices.Concat(path, flags, args))
		if err != nil {
			t.Errorf("%v: %v", path, err)
			return
		}
		late, err := arrangeArgs(tree(), slices.Concat(path, args, flags))
		if err != nil || !slices.Equal(early, late) {
			t.Errorf("%v: late flags give %q, early ones %q, %v", path, late, early, err)
		}
		first, err := arrangeArgs(tree(), slices.Concat(flags, path, args))
		if err != nil || !slices.Equal(early, first) {
			t.Errorf("%v: flags before the command give %q, after it %q, %v", path, first, early, err)
		}
	})
}

// A flag takes a value in all commands or in none, and keeps its meaning: the arranger relies on it.
func TestFlagsAreConsistent(t *testing.T) {
	valued := map[string]bool{}
	leaves(tree(), nil, func(path []string, c *cli.Command) {
		for _, f := range c.Flags {
			for _, name := range f.Names() {
				if was, seen := valued[name]; seen && was != takesValue(f) {
					t.Errorf("%v: --%s takes a value here and none elsewhere, or the other way round", path, name)
				}
				valued[name] = takesValue(f)
			}
			if f.(cli.DocGenerationFlag).GetUsage() == "" {
				t.Errorf("%v: --%s has no help", path, f.Names()[0])
			}
		}
	})
}

// Every command speaks JSON but run, which answers nothing.
func TestEveryCommandHasOutput(t *testing.T) {
	leaves(tree(), nil, func(path []string, c *cli.Command) {
		has := slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return f.Names()[0] == flagOutput })
		if has == (strings.Join(path, " ") == "run") {
			t.Errorf("%v: --output %v", path, has)
		}
	})
}

func TestArrange(t *testing.T) {
	tests := []struct{ line, want string }{
		{"", ""},
		{"help", "--help"},
		{"help tx send", "tx send --help"},
		{"tx send --help --hex", "flag --hex needs a value"},
		{"tx send x y -h", "tx send --help"},
		{"tx", `a command is missing after "tx"`},
		{"tx --help", "tx --help"},
		{"block 5 -o json", "block --o=json -- 5"},
		{"block --o=json 5", "block --o=json -- 5"},
		{"block -- -5", "block -- -5"},
		{"block -5", `unknown flag "-5"`},
		{"block", "argument HEIGHT is missing"},
		{"block 5 6", `unexpected argument "6"`},
		{"block 5 --verify --verify", "flag --verify is given twice"},
		{"block 5 -o json --output text", "flag --output is given twice"},
		{"block 5 --verfy", `unknown flag "--verfy" (did you mean "--verify"?)`},
		{"block 5 --amount 3", `unknown flag --amount`},
		{"tx transfer --to a --amount 1", "flag --key is missing"},
		{"tx transfer --key --to --to --key --amount -1", "tx transfer --key=--to --to=--key --amount=-1"},
		{"sta", `unknown command "sta" (did you mean "status"?)`},
		{"tx sned", `unknown command "sned" (did you mean "send"?)`},
		{"devnet up --validators=4 --detach", "devnet up --validators=4 --detach"},
	}
	for _, tt := range tests {
		got, err := arrangeArgs(tree(), strings.Fields(tt.line))
		text := strings.Join(got, " ")
		if err != nil {
			var usage *usageError
			if !errors.As(err, &usage) {
				t.Errorf("%q: %v is no usage error", tt.line, err)
			}
			text = err.Error()
		}
		if text != tt.want && (err == nil || !strings.HasPrefix(text, tt.want)) {
			t.Errorf("%q: got %q, want %q", tt.line, text, tt.want)
		}
	}
}
