package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/remora-network/remora"
)

// checkRoles refuses a validator with other roles and a follower without a name.
func checkRoles(n Node) error {
	roles, err := n.ParseRoles()
	if err != nil {
		return err
	}
	if roles&remora.RoleValidator != 0 && roles != remora.RoleValidator {
		return fmt.Errorf("%q: a validator has no other role; run caches and gateways as separate processes", n.Roles)
	}
	if roles != remora.RoleValidator && n.Name == "" {
		return fmt.Errorf("incomplete: a %s needs node.name", n.Roles)
	}
	return nil
}

func checkRange(low, high int) func(int) error {
	return func(v int) error {
		if v < low || v > high {
			return fmt.Errorf("%d, want %d to %d", v, low, high)
		}
		return nil
	}
}

// checkTicks accepts whole ticks, in milliseconds.
func checkTicks(low, high int) func(int) error {
	return func(ms int) error {
		if ms < low || ms > high || ms%TickMillis != 0 {
			return fmt.Errorf("%d, want a multiple of %d from %d to %d", ms, TickMillis, low, high)
		}
		return nil
	}
}

func checkFlightLimit(mib int) error {
	if mib != 0 && (mib < 16 || mib > 1<<16) {
		return fmt.Errorf("%d, want 0, or 16 to %d", mib, 1<<16)
	}
	return nil
}

func checkOneOf(known ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(known, v) {
			return nil
		}
		return fmt.Errorf("%.64q, want one of %s", v, strings.Join(known, ", "))
	}
}

func checkOptional(v string) error {
	if v == "" {
		return nil
	}
	return checkHostPort(v)
}

func checkHostPort(v string) error {
	host, port, err := net.SplitHostPort(v)
	if err != nil || host == "" {
		return fmt.Errorf("%.128q, want host:port such as 127.0.0.1:4240", v)
	}
	return checkPort(port)
}

func checkPort(port string) error {
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("port %.16q, want 1 to 65535", port)
	}
	return nil
}

func checkMultiaddrs(addrs []string) error {
	if len(addrs) == 0 || len(addrs) > 8 {
		return fmt.Errorf("%d addresses, want 1 to 8", len(addrs))
	}
	for _, a := range addrs {
		parts := strings.Split(a, "/")
		if len(parts) < 5 || parts[0] != "" || !slices.Contains([]string{"ip4", "ip6", "dns", "dns4", "dns6"}, parts[1]) {
			return fmt.Errorf("%.128q is not a multiaddr such as /ip4/127.0.0.1/tcp/4210", a)
		}
		if parts[3] != "tcp" && parts[3] != "udp" {
			return fmt.Errorf("%.128q: transport %.16q, want tcp or udp", a, parts[3])
		}
		if err := checkPort(parts[4]); err != nil {
			return fmt.Errorf("%.128q: %w", a, err)
		}
	}
	return nil
}
