// Command remora runs a node of a Remora chain, and everything around it: keys, transactions, proofs, audits, and whole
// chains on one machine.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"
)

// Set by the linker.
var (
	version = "dev"
	commit  = "unknown"
)

func main() { os.Exit(start()) }

// start runs the program until it is done or the first signal ends it in order; a second signal ends it at once.
func start() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// With this a closed pipe is an error of the write, and not the end of a process that has nodes to stop.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	return p.run(ctx, os.Args[1:])
}

// program is one run of the command. Answers go to out and nothing else; messages, logs and progress go to err.
type program struct {
	in       io.Reader
	out, err io.Writer
}

// commands lists the whole tree, in the order of the help.
func (p *program) commands() []*cli.Command {
	return []*cli.Command{
		p.version(), p.initHome(), p.runNode(), p.status(), p.health(), p.crashes(), p.config(), p.keys(), p.genesis(),
		p.block(), p.account(), p.tx(), p.proof(), p.audit(), p.publish(), p.fetch(), p.session(), p.cache(), p.devnet(), p.sim(), p.bench(), p.explain(),
	}
}

// run executes a command line without the program's name and returns the exit code.
func (p *program) run(ctx context.Context, argv []string) int {
	tree := p.commands()
	for _, c := range tree {
		finish(c)
	}
	app := &cli.App{
		Name:  "remora",
		Usage: "a consensus-first blockchain node with a content delivery network on top",
		Description: "Answers go to stdout, -o json makes each one JSON document; messages go to stderr.\n" +
			"Exit codes: 0 done, 1 it failed (see remora explain CODE), 2 wrong usage, 9 the disk is full, 20 a verification failed, 21 a node stopped and must not be restarted before somebody has looked.",
		Commands: tree, HideHelpCommand: true, HideVersion: true, DisableSliceFlagSeparator: true,
		Reader: p.in, Writer: p.out, ErrWriter: p.err,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   badUsage,
	}
	argv, err := arrange(tree, argv)
	if err == nil {
		err = app.RunContext(ctx, append([]string{app.Name}, argv...))
	}
	return p.report(err)
}

// finish completes a command and those below it with what all have in common.
func finish(c *cli.Command) {
	c.HideHelpCommand = true
	c.OnUsageError = badUsage
	for _, sub := range c.Subcommands {
		finish(sub)
	}
}

func badUsage(c *cli.Context, err error, _ bool) error {
	var already *usageError
	if errors.As(err, &already) {
		return err
	}
	return &usageError{command: c.Command.HelpName, reason: err.Error()}
}
