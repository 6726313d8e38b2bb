package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// subnet is the network of the validators in a lab; the driver is its last host.
const subnet = "10.77.0."

// Wires connect the validators of a lab, each in a network namespace, by a bridge. Faults are between validators; only
// Limit affects the driver's traffic. A fault replaces the previous one.
type Wires struct{ names []string }

// NewWires creates the namespaces and links.
func NewWires() (*Wires, error) {
	w := &Wires{}
	lines := []string{"ip link add chaos type bridge", "ip addr add " + subnet + "254/24 dev chaos", "ip link set chaos up"}
	for i, host := range w.Hosts() {
		name := "validator-" + strconv.Itoa(i)
		w.names = append(w.names, name)
		lines = append(lines,
			"ip netns add "+name,
			"ip link add wire"+strconv.Itoa(i)+" type veth peer name eth0 netns "+name,
			"ip link set wire"+strconv.Itoa(i)+" master chaos up",
			"ip -n "+name+" addr add "+host+"/24 dev eth0",
			"ip -n "+name+" link set eth0 up",
			"ip -n "+name+" link set lo up",
		)
	}
	for _, line := range lines {
		if err := runCommand(line); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Hosts returns the validators' addresses.
func (w *Wires) Hosts() []string {
	var hosts []string
	for i := range Validators {
		hosts = append(hosts, subnet+strconv.Itoa(i+1))
	}
	return hosts
}

// Launch starts every validator in its namespace.
func (w *Wires) Launch() map[string]Launch {
	launch := map[string]Launch{}
	for _, name := range w.names {
		launch[name] = Launch{Within: []string{"ip", "netns", "exec", name}}
	}
	return launch
}

// Partition lets validators receive only from their own group. A validator in no group receives nothing.
func (w *Wires) Partition(groups ...[]int) error {
	rules := make([]string, Validators)
	for v := range rules {
		own := slices.IndexFunc(groups, func(g []int) bool { return slices.Contains(g, v) })
		for other := range rules {
			if other != v && (own < 0 || !slices.Contains(groups[own], other)) {
				rules[v] += dropRule(other, "")
			}
		}
	}
	return w.replaceRules(rules)
}

// Deafen drops the packets that one validator would receive from another; the other direction is not affected.
func (w *Wires) Deafen(validator, to int) error {
	rules := make([]string, Validators)
	rules[validator] = dropRule(to, "")
	return w.replaceRules(rules)
}

// Lose drops the given percentage of packets at random.
func (w *Wires) Lose(percent int) error {
	rules := make([]string, Validators)
	for v := range rules {
		for other := range rules {
			rules[v] += dropRule(other, fmt.Sprintf("numgen random mod 100 < %d ", percent))
		}
	}
	return w.replaceRules(rules)
}

// Limit bounds the traffic that each validator sends, in megabits per second, until Heal.
func (w *Wires) Limit(megabits int) error {
	var errs []error
	for _, name := range w.names {
		errs = append(errs, runCommand(fmt.Sprintf("ip netns exec %s tc qdisc replace dev eth0 root tbf rate %dmbit burst 64kb latency 200ms", name, megabits)))
	}
	return errors.Join(errs...)
}

// Heal ends every fault.
func (w *Wires) Heal() error {
	var errs []error
	for _, name := range w.names {
		errs = append(errs, runCommand("ip netns exec "+name+" tc qdisc replace dev eth0 root pfifo"))
	}
	return errors.Join(append(errs, w.replaceRules(make([]string, Validators)))...)
}

func dropRule(from int, chance string) string {
	return fmt.Sprintf("ip saddr %s%d %sdrop\n", subnet, from+1, chance)
}

// replaceRules replaces each validator's rules for received packets.
func (w *Wires) replaceRules(rules []string) error {
	var errs []error
	for v, name := range w.names {
		table := "flush ruleset\ntable ip chaos {\nchain in {\ntype filter hook input priority 0;\n" + rules[v] + "}\n}\n"
		_, err := runWithInput(table, "ip netns exec "+name+" nft -f -")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
