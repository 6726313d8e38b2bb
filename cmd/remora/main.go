// Command remora runs a node of a Remora chain. It also has commands for keys, transactions, content, proofs, audits,
// simulations, and whole chains on one machine.
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

func main() { os.Exit(runUntilSignal()) }

// runUntilSignal runs the program. The first signal stops it gracefully, the second ends it at once.
func runUntilSignal() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A write to a closed pipe must return an error, not end the process: it may have nodes to stop.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	return p.runCommandLine(ctx, os.Args[1:])
}

// program is one run of the command. Only answers go to out; messages, logs and progress go to err.
type program struct {
	in       io.Reader
	out, err io.Writer
}

// commandTree returns all commands in the order of the help.
func (p *program) commandTree() []*cli.Command {
	return []*cli.Command{
		p.versionCommand(), p.initCommand(), p.runCommand(), p.statusCommand(), p.healthCommand(), p.crashesCommand(), p.configCommands(), p.keyCommands(), p.genesisCommands(),
		p.blockCommand(), p.accountCommand(), p.txCommands(), p.proofCommands(), p.auditCommands(), p.publishCommand(), p.fetchCommand(), p.sessionCommands(), p.cacheCommands(), p.devnetCommands(), p.simCommands(), p.benchCommands(), p.explainCommand(),
	}
}

// runCommandLine executes a command line without the program's name and returns the exit code.
func (p *program) runCommandLine(ctx context.Context, argv []string) int {
	tree := p.commandTree()
	for _, c := range tree {
		completeCommand(c)
	}
	app := &cli.App{
		Name:  "remora",
		Usage: "a consensus-first blockchain node with a content delivery network on top",
		Description: "Answers go to stdout, -o json makes each one JSON document; messages go to stderr.\n" +
			"Exit codes: 0 success, 1 failure (see remora explain CODE), 2 usage error, 9 disk full, 20 verification failed, 21 a node stopped and must not be restarted until an operator has looked into the cause.",
		Commands: tree, HideHelpCommand: true, HideVersion: true, DisableSliceFlagSeparator: true,
		Reader: p.in, Writer: p.out, ErrWriter: p.err,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   wrapUsageError,
	}
	argv, err := arrangeArgs(tree, argv)
	if err == nil {
		err = app.RunContext(ctx, append([]string{app.Name}, argv...))
	}
	return p.printError(err)
}

// completeCommand sets what all commands have in common, also in subcommands.
func completeCommand(c *cli.Command) {
	c.HideHelpCommand = true
	c.OnUsageError = wrapUsageError
	for _, sub := range c.Subcommands {
		completeCommand(sub)
	}
}

func wrapUsageError(c *cli.Context, err error, _ bool) error {
	var already *usageError
	if errors.As(err, &already) {
		return err
	}
	return &usageError{command: c.Command.HelpName, reason: err.Error()}
}
