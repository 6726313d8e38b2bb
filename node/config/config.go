// Package config reads a node's configuration: a TOML file, overridden by environment variables, overridden by flags.
// Unknown keys and invalid values are errors that name their place. Only values that differ from the defaults are
// written to disk, so that a new version can change a default.
package config

import (
	"log/slog"

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
	Limits  Limits  `toml:"limits"`
}

// Limits are what one address of clients may have of the API, and of a gateway, at a time; all together may have four times
// as much.
type Limits struct {
	Connections   int `toml:"connections"`
	Subscriptions int `toml:"subscriptions"`
	Waits         int `toml:"waits"`
	BodiesMiB     int `toml:"bodies_mib"` // of all addresses, one may have half
	MemoryMiB     int `toml:"memory_mib"` // from which on the garbage collector works harder; 0: never
}

// Node is the node's place on its chain.
type Node struct {
	Name  string `toml:"name"`  // under which a cache or gateway registers; a validator's is in the committee
	Roles string `toml:"roles"` // validator, or the services of a follower: cache, gateway
}

// Gateway is the server for web clients.
type Gateway struct {
	Listen string `toml:"listen"` // host:port
}

// Content is the content store of a cache or gateway.
type Content struct {
	QuotaMiB int `toml:"quota_mib"`
}

// Flight is the flight recorder: it keeps the input of a validator's cores, to replay a failure.
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

// Log is the level and form of log messages.
type Log struct {
	Level  string `toml:"level"`
	Format string `toml:"format"`
}

// Mempool tunes the bundling of transactions into batches.
type Mempool struct {
	SealMillis   int `toml:"seal_ms"`   // larger: fewer, fuller batches; smaller: less latency
	ListenMillis int `toml:"listen_ms"` // larger: more likely to notice a second process with the same keys; 0: off
}

// TickMillis is the granularity of mempool.seal_ms and mempool.listen_ms.
const TickMillis = 5

// Default returns the default values. All servers listen on the loopback interface only.
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
		Limits:  Limits{Connections: 512, Subscriptions: 64, Waits: 256, BodiesMiB: 64, MemoryMiB: 448},
	}
}

// ParseRoles returns the roles as a set.
func (n Node) ParseRoles() (roles remora.Roles, err error) {
	err = roles.UnmarshalText([]byte(n.Roles))
	return roles, err
}

// ListenTicks returns the listening time for mempool.Pace.
func (m Mempool) ListenTicks() int {
	if m.ListenMillis == 0 {
		return -1
	}
	return m.ListenMillis / TickMillis
}

// SlogLevel returns the level for a logger.
func (l Log) SlogLevel() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return slog.LevelInfo // unreachable: other names are refused by Load
	}
	return level
}
