package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Setting is one value of a configuration.
type Setting struct {
	Key string // section and name, such as rpc.listen
	Doc string

	value any // a *string, *int or *[]string into the configuration
	check func() error
}

// Settings lists every setting in the order in which they are shown.
func Settings() []Setting {
	c := Default()
	return c.settings()
}

// settings returns the settings with pointers to their values in c. A setting is a field of Config, a row here and,
// unless it is zero, a value in Default.
func (c *Config) settings() []Setting {
	node := func(string) error { return checkRoles(c.Node) }
	return []Setting{
		newSetting("p2p.listen", &c.P2P.Listen, checkMultiaddrs, "comma-separated multiaddrs of the validators' network"),
		newSetting("rpc.listen", &c.RPC.Listen, checkHostPort, "host:port of the API"),
		newSetting("metrics.listen", &c.Metrics.Listen, checkOptional, "host:port of the Prometheus page, empty for none"),
		newSetting("log.level", &c.Log.Level, checkOneOf("debug", "info", "warn", "error"), "debug, info, warn or error"),
		newSetting("log.format", &c.Log.Format, checkOneOf("text", "json"), "text or json"),
		newSetting("mempool.seal_ms", &c.Mempool.SealMillis, checkTicks(TickMillis, 1000), "age in milliseconds at which a batch is sealed"),
		newSetting("mempool.listen_ms", &c.Mempool.ListenMillis, checkTicks(0, 600_000),
			"maximum time in milliseconds that a restarted validator waits, before it signs, for headers it signed and lost"),
		newSetting("node.name", &c.Node.Name, node, "name under which a cache or gateway registers"),
		newSetting("node.roles", &c.Node.Roles, node, "validator, or cache, gateway or both, separated by a comma"),
		newSetting("gateway.listen", &c.Gateway.Listen, checkHostPort, "host:port at which a gateway serves web clients"),
		newSetting("content.quota_mib", &c.Content.QuotaMiB, checkRange(16, 1<<30), "disk space in MiB for the content of a cache or gateway"),
		newSetting("flight.limit_mib", &c.Flight.LimitMiB, checkFlightLimit,
			"disk space in MiB for recording the input of a validator's cores, to replay a failure; 0 for none"),
		newSetting("limits.connections", &c.Limits.Connections, checkRange(16, 1<<14),
			"connections of one address to the API, or to a gateway; raise it behind a proxy, whose clients have one address"),
		newSetting("limits.subscriptions", &c.Limits.Subscriptions, checkRange(1, 1<<12), "subscriptions of one address to events"),
		newSetting("limits.waits", &c.Limits.Waits, checkRange(1, 1<<12), "requests of one address that wait for blocks or transactions"),
		newSetting("limits.bodies_mib", &c.Limits.BodiesMiB, checkRange(16, 1<<12), "memory in MiB for the bodies of requests in flight"),
		newSetting("limits.memory_mib", &c.Limits.MemoryMiB, checkRange(0, 1<<20),
			"memory in MiB from which on the node collects garbage more often; 0 for never"),
	}
}

func newSetting[T string | int | []string](key string, value *T, check func(T) error, doc string) Setting {
	return Setting{Key: key, Doc: doc, value: value, check: func() error { return check(*value) }}
}

// Env returns the environment variable that sets the value.
func (s Setting) Env() string {
	return "REMORA_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Flag returns the name of the command-line flag that sets the value.
func (s Setting) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key) }

// parseText sets the value, unchecked, from the text of a flag or an environment variable.
func (s Setting) parseText(text string) error {
	switch v := s.value.(type) {
	case *string:
		*v = text
	case *[]string:
		*v = strings.Split(text, ",")
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%.64q is not a whole number", text)
		}
		*v = n
	}
	return nil
}

// formatValue returns the value as parse reads it.
func (s Setting) formatValue() string {
	switch v := s.value.(type) {
	case *string:
		return *v
	case *[]string:
		return strings.Join(*v, ",")
	default:
		return strconv.Itoa(*s.value.(*int))
	}
}
