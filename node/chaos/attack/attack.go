// Package attack holds attackers: a validator that takes part in consensus and misuses its place, a client of the API, and a
// stranger on the network of the nodes. They exist for the tests of node/chaos, which run them as processes of their own
// against real nodes; no product imports them.
//
// A program that may become an attacker calls [Main] first. Whoever starts it writes one line with an [Order] to its input.
// The attacker prints "ready" when it has taken its place, begins when it reads another line, and ends with its input.
package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/remora-network/remora"
)

// Mark is set in the environment of a program that is to be an attacker.
const Mark = "CHAOS_ATTACKER"

// Order says what an attacker does.
type Order struct {
	Kind    string
	Home    string   // of the validator whose place a member of the committee takes
	Targets []Target // that it attacks
	Account string   // key file of a funded account
	Poor    string   // key file of an account whose balance is one fee
	Victim  string   // address of an account of somebody else
	Cache   string   // account of a registered cache
	Genesis string   // file
	Percent int      // per cent of a core that a spinner burns
}

// Target is a node.
type Target struct {
	Name string
	RPC  string // URL
	Peer string // id
	P2P  string // multiaddr
}

// stage is what happens before an attack begins, and the attack itself, which lasts until its context ends.
type stage struct {
	prepare func(ctx context.Context, o *Order) (attack func(ctx context.Context) error, err error)
}

// Kinds returns the names of all attacks, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(stages())) }

func stages() map[string]stage {
	all := map[string]stage{"spinner": {prepareSpinner}}
	for _, more := range []map[string]stage{memberStages(), clientStages(), strangerStages()} {
		maps.Copy(all, more)
	}
	return all
}

// Main runs this program as an attacker if its environment says so, and then does not return.
func Main() {
	if os.Getenv(Mark) == "" {
		return
	}
	if err := serveOrder(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "attacker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveOrder(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	var o Order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	s, known := stages()[o.Kind]
	if !known {
		return fmt.Errorf("%w: attack %q, want one of %v", remora.ErrInvalid, o.Kind, Kinds())
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	attack, err := s.prepare(ctx, &o)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	if _, err := lines.ReadBytes('\n'); err != nil {
		return nil //nolint:nilerr // whoever ordered the attack has gone
	}
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, lines) // until the input ends
	}()
	return attack(ctx)
}
