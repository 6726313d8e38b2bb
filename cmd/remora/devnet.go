package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/story"
)

func (p *program) devnetCommands() *cli.Command {
	one := func(name, usage string, act func(*devnet.Devnet, context.Context, string) error) *cli.Command {
		c := onDevnet(name, usage, func(c *cli.Context, d *devnet.Devnet, asJSON bool) error {
			if err := act(d, c.Context, c.Args().First()); err != nil {
				return err
			}
			return p.printNode(d, c.Args().First(), asJSON)
		})
		c.ArgsUsage = "NAME"
		return c
	}
	return &cli.Command{Name: "devnet", Usage: "run a whole chain on this machine: real processes, sockets and disks", Subcommands: []*cli.Command{
		p.devnetUpCommand(),
		onDevnet("status", "show the nodes of a devnet and whether they run", p.showDevnet),
		one("start", "start a node and wait until it answers", (*devnet.Devnet).Start),
		one("stop", "stop a node gracefully", (*devnet.Devnet).Stop),
		one("kill", "kill a node, as a crash would", (*devnet.Devnet).Kill),
		onDevnet("down", "stop all nodes; the chain stays on disk", p.stopDevnet),
		p.storyCommand(),
	}}
}

// onDevnet returns a command that acts on the existing devnet in --home.
func onDevnet(name, usage string, act func(c *cli.Context, d *devnet.Devnet, asJSON bool) error) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, Flags: []cli.Flag{devnetHomeFlag(), outputFlag()},
		Action: withOutput(func(c *cli.Context, asJSON bool) error {
			d, err := devnet.Open(c.String(flagHome))
			if err != nil {
				return err
			}
			return act(c, d, asJSON)
		}),
	}
}

func devnetHomeFlag() cli.Flag {
	return &cli.StringFlag{Name: flagHome, Value: ".devnet", Usage: "directory of the devnet"}
}

func (p *program) devnetUpCommand() *cli.Command {
	return &cli.Command{
		Name: "up", Usage: "start a devnet, or resume the one in --home",
		Flags: []cli.Flag{
			devnetHomeFlag(),
			&cli.IntFlag{Name: "validators", Usage: "number of validators (default: 4, or those of the existing devnet)"},
			&cli.IntFlag{Name: "caches", Usage: "number of caches"},
			&cli.IntFlag{Name: "gateways", Usage: "number of gateways"},
			&cli.StringFlag{Name: "gateway-hosts", Usage: "not supported yet: comma-separated hosts that gateways serve as subdomain gateways"},
			&cli.IntFlag{Name: "port-base", Usage: "first port; each node takes the next ten (default: free ports)"},
			&cli.DurationFlag{Name: flagFor, Usage: "stop all nodes after this time"},
			&cli.DurationFlag{Name: "epoch", Value: 15 * time.Second, Usage: "length of an epoch of a new chain"},
			&cli.BoolFlag{Name: "detach", Usage: "return when all nodes are ready and leave them running"},
			outputFlag(),
		},
		Action: withOutput(p.startDevnet),
	}
}

// parseSpec returns the devnet that the command line describes.
func parseSpec(c *cli.Context) (devnet.Spec, error) {
	s := devnet.Spec{
		Home: c.String(flagHome), Validators: c.Int("validators"), Caches: c.Int("caches"), Gateways: c.Int("gateways"), PortBase: c.Int("port-base"),
		For: c.Duration(flagFor), Epoch: c.Duration("epoch"),
	}
	switch {
	case c.IsSet("gateway-hosts"):
		return s, newUsageError("--gateway-hosts is not supported yet: leave it out")
	case c.IsSet("validators") && (s.Validators < 1 || s.Validators > devnet.MaxValidators):
		return s, newUsageError("--validators %d, want 1 to %d", s.Validators, devnet.MaxValidators)
	case s.Caches < 0 || s.Gateways < 0 || s.Caches+s.Gateways > devnet.MaxValidators:
		return s, newUsageError("--caches %d and --gateways %d, want 0 to %d together", s.Caches, s.Gateways, devnet.MaxValidators)
	case c.IsSet("port-base") && (s.PortBase < 1 || s.PortBase > 65_535):
		return s, newUsageError("--port-base %d, want 1 to 65535", s.PortBase)
	case c.IsSet(flagFor) && s.For <= 0:
		return s, newUsageError("--for %s, want a positive duration", s.For)
	case s.Epoch < 100*time.Millisecond || s.Epoch > 24*time.Hour:
		return s, newUsageError("--epoch %s, want 100ms to 24h", s.Epoch)
	}
	return s, nil
}

func (p *program) startDevnet(c *cli.Context, asJSON bool) error {
	s, err := parseSpec(c)
	if err != nil {
		return err
	}
	begin := time.Now()
	d, err := devnet.Up(c.Context, s)
	if err != nil {
		return err
	}
	status, err := d.Status()
	if err != nil {
		return err
	}
	headline := fmt.Sprintf("devnet ready in %.1f s", time.Since(begin).Seconds())
	err = p.printAnswer(asJSON, status, describeDevnet(headline, status))
	switch {
	case c.Bool("detach"):
		return err
	case err != nil:
		return errors.Join(err, d.Down(context.WithoutCancel(c.Context)))
	}
	p.printMessage("Ctrl-C stops all nodes\n")
	return p.awaitEnd(c.Context, d, s.For)
}

// awaitEnd waits for a signal or the time limit, and stops all nodes.
func (p *program) awaitEnd(ctx context.Context, d *devnet.Devnet, limit time.Duration) error {
	done := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		done, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	<-done.Done()
	p.printMessage("stopping\n")
	return d.Down(context.WithoutCancel(ctx))
}

func (p *program) showDevnet(_ *cli.Context, d *devnet.Devnet, asJSON bool) error {
	s, err := d.Status()
	if err != nil {
		return err
	}
	return p.printAnswer(asJSON, s, describeDevnet("devnet", s))
}

func (p *program) stopDevnet(c *cli.Context, d *devnet.Devnet, asJSON bool) error {
	if err := d.Down(c.Context); err != nil {
		return err
	}
	s, err := d.Status()
	if err != nil {
		return err
	}
	return p.printAnswer(asJSON, s, "stopped; remora devnet up --home "+s.Home+" resumes the chain")
}

// printNode prints one node of a devnet.
func (p *program) printNode(d *devnet.Devnet, name string, asJSON bool) error {
	s, err := d.Status()
	if err != nil {
		return err
	}
	for i := range s.Nodes {
		if n := &s.Nodes[i]; n.Name == name {
			return p.printAnswer(asJSON, n, fmt.Sprintf("%s: %s", n.Name, describeProcess(n)))
		}
	}
	return fmt.Errorf("%w: %.64q", devnet.ErrUnknownNode, name)
}

func describeProcess(n *devnet.NodeStatus) string {
	if n.Running {
		return fmt.Sprintf("running, process %d", n.Pid)
	}
	return "stopped"
}

// describeDevnet returns an overview of a devnet: its addresses and accounts, and commands to try.
func describeDevnet(headline string, s *devnet.Status) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n %s      chain %s      %d nodes\n\n", headline, s.ChainID, len(s.Nodes))
	rows, gateway := [][]string{{"NODE", "STATE", "RPC", "METRICS"}}, ""
	for i := range s.Nodes {
		n := &s.Nodes[i]
		rows = append(rows, []string{n.Name, describeProcess(n), n.RPC, n.Metrics})
		if n.Gateway != "" {
			gateway = n.Gateway
		}
	}
	b.WriteString(indentText(formatTable(rows...)) + "\n")
	if gateway != "" {
		fmt.Fprintf(&b, " gateway  %s/ipfs/CID\n\n", gateway)
	}
	rows = [][]string{{"ACCOUNT", "ADDRESS"}}
	for _, a := range s.Accounts {
		rows = append(rows, []string{a.Name, a.Address})
	}
	b.WriteString(indentText(formatTable(rows...)) + "\n")
	if rpc := s.Nodes[0].RPC; len(s.Accounts) > 1 {
		fmt.Fprintf(&b, " try   remora status --node %s\n", rpc)
		fmt.Fprintf(&b, "       remora tx transfer --node %s --key %s --to %s --amount 1000 --wait\n", rpc, s.Accounts[0].Key, s.Accounts[1].Address)
		if gateway != "" {
			fmt.Fprintf(&b, "       remora publish PATH --node %s --key %s\n", rpc, s.Accounts[0].Key)
			fmt.Fprintf(&b, "       remora fetch CID --gateway %s --out FILE --key %s\n", gateway, s.Accounts[0].Key)
			fmt.Fprintf(&b, "       remora cache claims --node %s --provider cache-0\n", rpc)
		}
		fmt.Fprintf(&b, "       remora audit replay --from %s --genesis %s\n", rpc, s.Genesis)
		fmt.Fprintf(&b, "       remora devnet kill --home %s %s\n", s.Home, s.Nodes[len(s.Nodes)-1].Name)
	}
	fmt.Fprintf(&b, " data  %s   (logs: %s)\n", s.Home, s.Home+"/NODE/log")
	return b.String()
}

func indentText(text string) string {
	return " " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n ") + "\n"
}

func (p *program) storyCommand() *cli.Command {
	return &cli.Command{
		Name: "story", Usage: "start a devnet, pay, crash, recover, publish, fetch, claim, forge, replay and prove; then stay up",
		Flags: []cli.Flag{
			devnetHomeFlag(),
			&cli.BoolFlag{Name: "once", Usage: "stop all nodes at the end; exit 0 only if every step held"},
			outputFlag(),
		},
		Action: withOutput(p.tellStory),
	}
}

func (p *program) tellStory(c *cli.Context, asJSON bool) error {
	to := p.out
	if asJSON {
		to = p.err
	}
	s, err := story.Begin(c.Context, c.String(flagHome), func(step story.Step) {
		_, _ = fmt.Fprintf(to, "%6.2f s  %s\n", step.Seconds, step.Text)
	})
	if err != nil {
		return err
	}
	told, err := s.Tell(c.Context)
	switch {
	case err != nil:
		err = withCode("STORY_FAILED", err)
	case c.Bool("once"):
		err = p.printAnswer(asJSON, told, fmt.Sprintf("%6.2f s  every step held; the chain stays in %s", told.Seconds, told.Home))
	default:
		err = p.printAnswer(asJSON, told, describeDevnet(fmt.Sprintf("devnet ready, story told in %.1f s", told.Seconds), told.Status))
		if err == nil {
			p.printMessage("Ctrl-C stops all nodes\n")
			return p.awaitEnd(c.Context, s.Net, 0)
		}
	}
	return errors.Join(err, s.Net.Down(context.WithoutCancel(c.Context)))
}
