// Package config is what an operator may set: one TOML file, read strictly, with the environment above it and flags above
// both. Only what differs from the defaults is ever written to disk, so that a new version can change a default.
package config

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remora-network/remora"
)

// Config holds the values in force. Its TOML form has a section per field.
type Config struct {
	Node    Node    `toml:"node"`
	P2P     P2P     `toml:"p2p"`
	RPC     RPC     `toml:"rpc"`
	Metrics Metrics `toml:"metrics"`
	Log     Log     `toml:"log"`
	Mempool Mempool `toml:"mempool"`
	Gateway Gateway `toml:"gateway"`
	Content Content `toml:"content"`
	Flight  Flight  `toml:"flight"`
}

// Node is what a node is on its chain.
type Node struct {
	Name  string `toml:"name"`  // that a cache or gateway registers with; a validator has the one of the committee
	Roles string `toml:"roles"` // validator, or what a follower offers: cache, gateway
}

// Gateway serves content to web clients.
type Gateway struct {
	Listen string `toml:"listen"` // host:port
}

// Content is the content store of a cache or gateway.
type Content struct {
	QuotaMiB int `toml:"quota_mib"`
}

// Flight is the recording of what a validator's cores are told, to replay a failure.
type Flight struct {
	LimitMiB int `toml:"limit_mib"` // 0: nothing is recorded
}

// P2P is the network of the validators.
type P2P struct {
	Listen []string `toml:"listen"` // multiaddrs
}

// RPC is the API for clients and operators.
type RPC struct {
	Listen string `toml:"listen"` // host:port
}

// Metrics is the page that Prometheus reads.
type Metrics struct {
	Listen string `toml:"listen"` // host:port; empty turns it off
}

// Log says what is logged, and how.
type Log struct {
	Level  string `toml:"level"`
	Format string `toml:"format"`
}

// Mempool tunes how transactions are bundled.
type Mempool struct {
	SealMillis   int `toml:"seal_ms"`   // larger: fewer, fuller batches; smaller: less latency
	ListenMillis int `toml:"listen_ms"` // larger: a second process with the same keys is noticed more surely; 0: never
}

// TickMillis is the granularity of mempool.seal_ms and mempool.listen_ms.
const TickMillis = 5

// Default returns the values in force when nothing is set. Everything listens on the loopback interface only.
func Default() Config {
	return Config{
		Node:    Node{Roles: "validator"},
		Gateway: Gateway{Listen: "127.0.0.1:4220"},
		Content: Content{QuotaMiB: 10 << 10},
		P2P:     P2P{Listen: []string{"/ip4/127.0.0.1/tcp/4210"}},
		RPC:     RPC{Listen: "127.0.0.1:4240"},
		Metrics: Metrics{Listen: "127.0.0.1:4290"},
		Log:     Log{Level: "info", Format: "text"},
		Mempool: Mempool{SealMillis: 20, ListenMillis: 2000},
	}
}

// Seal returns the age at which a batch is sealed.
func (m Mempool) Seal() time.Duration { return time.Duration(m.SealMillis) * time.Millisecond }

// ListenTicks returns how long a validator listens, as a core's pace has it.
func (m Mempool) ListenTicks() int {
	if m.ListenMillis == 0 {
		return -1
	}
	return m.ListenMillis / TickMillis
}

// Setting is one value: its key in the file, and how it is read, shown and checked.
type Setting struct {
	Key string // section and name, such as rpc.listen
	Doc string

	set   func(c *Config, text string) error // from a flag or the environment
	show  func(c *Config) any
	check func(c *Config) error
}

// Env returns the environment variable that sets the value.
func (s *Setting) Env() string {
	return "REMORA_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Flag returns the name of the command-line flag that sets the value.
func (s *Setting) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key) }

// Show returns the value in c as text.
func (s *Setting) Show(c *Config) string {
	switch v := s.show(c).(type) {
	case []string:
		return strings.Join(v, ",")
	case int:
		return strconv.Itoa(v)
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// Settings lists every value in the order in which they are shown.
func Settings() []*Setting {
	return []*Setting{
		{
			Key: "p2p.listen", Doc: "multiaddrs of the validators' network, separated by commas",
			set:   func(c *Config, text string) error { c.P2P.Listen = strings.Split(text, ","); return nil },
			show:  func(c *Config) any { return c.P2P.Listen },
			check: func(c *Config) error { return checkMultiaddrs(c.P2P.Listen) },
		},
		{
			Key: "rpc.listen", Doc: "host:port of the API",
			set:   func(c *Config, text string) error { c.RPC.Listen = text; return nil },
			show:  func(c *Config) any { return c.RPC.Listen },
			check: func(c *Config) error { return checkHostPort(c.RPC.Listen) },
		},
		{
			Key: "metrics.listen", Doc: "host:port of the Prometheus page, empty for none",
			set:   func(c *Config, text string) error { c.Metrics.Listen = text; return nil },
			show:  func(c *Config) any { return c.Metrics.Listen },
			check: func(c *Config) error { return checkOptional(c.Metrics.Listen) },
		},
		{
			Key: "log.level", Doc: "debug, info, warn or error",
			set:   func(c *Config, text string) error { c.Log.Level = text; return nil },
			show:  func(c *Config) any { return c.Log.Level },
			check: func(c *Config) error { return checkOneOf(c.Log.Level, "debug", "info", "warn", "error") },
		},
		{
			Key: "log.format", Doc: "text or json",
			set:   func(c *Config, text string) error { c.Log.Format = text; return nil },
			show:  func(c *Config) any { return c.Log.Format },
			check: func(c *Config) error { return checkOneOf(c.Log.Format, "text", "json") },
		},
		{
			Key: "mempool.seal_ms", Doc: "age in milliseconds at which a batch is sealed",
			set:   func(c *Config, text string) error { return setInt(&c.Mempool.SealMillis, text) },
			show:  func(c *Config) any { return c.Mempool.SealMillis },
			check: func(c *Config) error { return checkSeal(c.Mempool.SealMillis) },
		},
		{
			Key: "mempool.listen_ms", Doc: "most milliseconds that a validator listens after a restart for headers of its own that it does not know, before it signs",
			set:   func(c *Config, text string) error { return setInt(&c.Mempool.ListenMillis, text) },
			show:  func(c *Config) any { return c.Mempool.ListenMillis },
			check: func(c *Config) error { return checkListen(c.Mempool.ListenMillis) },
		},
		{
			Key: "node.name", Doc: "name that a cache or gateway registers with",
			set:   func(c *Config, text string) error { c.Node.Name = text; return nil },
			show:  func(c *Config) any { return c.Node.Name },
			check: func(c *Config) error { return checkNode(c.Node) },
		},
		{
			Key: "node.roles", Doc: "validator; or cache, gateway, or both separated by a comma",
			set:   func(c *Config, text string) error { c.Node.Roles = text; return nil },
			show:  func(c *Config) any { return c.Node.Roles },
			check: func(c *Config) error { return checkNode(c.Node) },
		},
		{
			Key: "gateway.listen", Doc: "host:port of the gateway for web clients",
			set:   func(c *Config, text string) error { c.Gateway.Listen = text; return nil },
			show:  func(c *Config) any { return c.Gateway.Listen },
			check: func(c *Config) error { return checkHostPort(c.Gateway.Listen) },
		},
		{
			Key: "content.quota_mib", Doc: "MiB of disk for content at a cache or gateway",
			set:   func(c *Config, text string) error { return setInt(&c.Content.QuotaMiB, text) },
			show:  func(c *Config) any { return c.Content.QuotaMiB },
			check: func(c *Config) error { return checkQuota(c.Content.QuotaMiB) },
		},
		{
			Key: "flight.limit_mib", Doc: "MiB of disk for recordings of what a validator's cores are told, to replay a failure; 0 for none",
			set:   func(c *Config, text string) error { return setInt(&c.Flight.LimitMiB, text) },
			show:  func(c *Config) any { return c.Flight.LimitMiB },
			check: func(c *Config) error { return checkFlight(c.Flight.LimitMiB) },
		},
	}
}

// checkNode refuses roles that do not go together, and a follower without a name.
func checkNode(n Node) error {
	var roles remora.Roles
	if err := roles.UnmarshalText([]byte(n.Roles)); err != nil {
		return err
	}
	if roles&remora.RoleValidator != 0 && roles != remora.RoleValidator {
		return fmt.Errorf("%q: a validator is nothing else; run caches and gateways in processes of their own", n.Roles)
	}
	if roles != remora.RoleValidator && n.Name == "" {
		return fmt.Errorf("not enough: a %s needs node.name", n.Roles)
	}
	return nil
}

func checkQuota(mib int) error {
	if mib < 16 || mib > 1<<30 {
		return fmt.Errorf("%d, want 16 to %d", mib, 1<<30)
	}
	return nil
}

func checkFlight(mib int) error {
	if mib != 0 && (mib < 16 || mib > 1<<16) {
		return fmt.Errorf("%d, want 0, or 16 to %d", mib, 1<<16)
	}
	return nil
}

func setInt(target *int, text string) error {
	v, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%.64q is not a whole number", text)
	}
	*target = v
	return nil
}

func checkSeal(ms int) error {
	if ms < TickMillis || ms > 1000 || ms%TickMillis != 0 {
		return fmt.Errorf("%d, want a multiple of %d from %d to 1000", ms, TickMillis, TickMillis)
	}
	return nil
}

func checkListen(ms int) error {
	if ms < 0 || ms > 600_000 || ms%TickMillis != 0 {
		return fmt.Errorf("%d, want a multiple of %d from 0 to 600000", ms, TickMillis)
	}
	return nil
}

func checkOneOf(v string, known ...string) error {
	if slices.Contains(known, v) {
		return nil
	}
	return fmt.Errorf("%.64q, want one of %s", v, strings.Join(known, ", "))
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

// SlogLevel returns the level for a logger.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return slog.LevelInfo // check has refused every other name
	}
	return level
}
