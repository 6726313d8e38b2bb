package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes a configuration file of mode 0600.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, set := vars[name]
		return v, set
	}
}

func TestDefaultsAreValidAndPrivate(t *testing.T) {
	l, err := Load(Sources{File: filepath.Join(t.TempDir(), "none.toml")})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range l.Values() {
		if v.Origin != "default" {
			t.Errorf("%s comes from %s", v.Key, v.Origin)
		}
		if strings.HasSuffix(v.Key, ".listen") && !strings.Contains(v.Value, "127.0.0.1") {
			t.Errorf("%s is %s, want loopback", v.Key, v.Value)
		}
	}
}

// Each source is stronger than the one before it, value by value, and says so.
func TestPrecedenceAndOrigin(t *testing.T) {
	path := write(t, "metrics.listen = \"\"\n# a comment\n[rpc]\nlisten = \"127.0.0.1:5001\"\n[log]\nlevel = \"warn\"\nformat = \"json\"\n[mempool]\nseal_ms = 25\n")
	l, err := Load(Sources{
		File:  path,
		Env:   environment(map[string]string{"REMORA_RPC_LISTEN": "127.0.0.1:5002", "REMORA_LOG_LEVEL": "error", "REMORA_HOME": "/x"}),
		Flags: map[string]string{"log.level": "debug"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Value{
		"p2p.listen":        {Value: "/ip4/127.0.0.1/tcp/4210", Origin: "default"},
		"rpc.listen":        {Value: "127.0.0.1:5002", Origin: "env REMORA_RPC_LISTEN"},
		"metrics.listen":    {Value: "", Origin: "file " + path + ":1"},
		"log.level":         {Value: "debug", Origin: "flag --log-level"},
		"log.format":        {Value: "json", Origin: "file " + path + ":7"},
		"mempool.seal_ms":   {Value: "25", Origin: "file " + path + ":9"},
		"mempool.listen_ms": {Value: "2000", Origin: "default"},

		"node.name":         {Origin: "default"},
		"node.roles":        {Value: "validator", Origin: "default"},
		"gateway.listen":    {Value: "127.0.0.1:4220", Origin: "default"},
		"content.quota_mib": {Value: "10240", Origin: "default"},
		"flight.limit_mib":  {Value: "0", Origin: "default"},

		"limits.connections":   {Value: "512", Origin: "default"},
		"limits.subscriptions": {Value: "64", Origin: "default"},
		"limits.waits":         {Value: "256", Origin: "default"},
		"limits.bodies_mib":    {Value: "64", Origin: "default"},
		"limits.memory_mib":    {Value: "448", Origin: "default"},
	}
	values := l.Values()
	if len(values) != len(want) {
		t.Fatalf("%d values, want %d", len(values), len(want))
	}
	for _, v := range values {
		w := want[v.Key]
		w.Key = v.Key
		if v != w {
			t.Errorf("got %+v, want %+v", v, w)
		}
	}
}

func TestFileIsReadStrictly(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"unknown key", "[rpc]\nlisten = \"127.0.0.1:1\"\nlisten_on = 3\n", `:3: unknown key "rpc.listen_on" (did you mean "rpc.listen"?)`},
		{"unknown section", "\n[rcp]\nlisten = \"127.0.0.1:1\"\n", `"rcp`},
		{"nothing near", "[zebra]\nstripes = 1\n", "known keys are p2p.listen"},
		{"wrong type", "[log]\nlevel = 7\n", ":2: "},
		{"repeated key", "[log]\nlevel = \"info\"\nlevel = \"warn\"\n", ":3: "},
		{"no TOML", "[log\n", ":1: "},
		{"not UTF-8", "[log]\nlevel = \"\xff\"\n", ":2: "},
		{"scalar for a section", "log = 1\n", ":1: "},
		{"out of bounds", "[mempool]\nseal_ms = 7\n", ":2: mempool.seal_ms is 7, want a multiple of 5"},
		{"negative", "[mempool]\nseal_ms = -5\n", "mempool.seal_ms is -5"},
		{"role", "[node]\nroles = \"miner\"\n", ":2: node.roles is"},
		{"roles that exclude each other", "[node]\nroles = \"validator,cache\"\n", "a validator has no other role"},
		{"follower without a name", "[node]\nroles = \"cache\"\n", "a cache needs node.name"},
		{"quota", "[content]\nquota_mib = 1\n", ":2: content.quota_mib is 1"},
		{"flight", "[flight]\nlimit_mib = 1\n", ":2: flight.limit_mib is 1"},
		{"port 0", "[rpc]\nlisten = \"127.0.0.1:0\"\n", `:2: rpc.listen is port "0"`},
		{"port 65536", "[rpc]\nlisten = \"127.0.0.1:65536\"\n", `port "65536"`},
		{"no port", "[metrics]\nlisten = \"127.0.0.1\"\n", "want host:port"},
		{"empty host", "[rpc]\nlisten = \":4240\"\n", "want host:port"},
		{"no multiaddr", "[p2p]\nlisten = [\"127.0.0.1:4210\"]\n", "is not a multiaddr"},
		{"no address", "[p2p]\nlisten = []\n", "want 1 to 8"},
		{"unknown level", "[log]\nlevel = \"loud\"\n", `"loud", want one of debug`},
		{"huge", "#" + strings.Repeat("x", MaxFileBytes) + "\n", "over 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.file)
			_, err := Load(Sources{File: path})
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Whatever is wrong is listed at once, each with its place.
func TestAllProblemsAtOnce(t *testing.T) {
	path := write(t, "[log]\nlevel = \"loud\"\n")
	_, err := Load(Sources{
		File: path, Env: environment(map[string]string{"REMORA_MEMPOOL_SEAL_MS": "soon"}), Flags: map[string]string{"rpc.listen": "x"},
	})
	for _, want := range []string{path + ":2", "env REMORA_MEMPOOL_SEAL_MS", "flag --rpc-listen"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestFileThatOthersCanChange(t *testing.T) {
	path := write(t, "")
	if err := os.Chmod(path, 0o602); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Sources{File: path}); !errors.Is(err, ErrPermissions) {
		t.Errorf("world-writable: %v", err)
	}
	if _, err := Load(Sources{File: t.TempDir()}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a directory: %v", err)
	}
}

// What Render writes holds nothing but what it was given, and reads back.
func TestRender(t *testing.T) {
	given := map[string]string{"rpc.listen": "127.0.0.1:5001", "p2p.listen": "/ip4/127.0.0.1/tcp/5000", "mempool.seal_ms": "50"}
	text, err := Render(given)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Load(Sources{File: write(t, string(text))})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for _, v := range l.Values() {
		value, set := given[v.Key]
		if set != (v.Origin != "default") || set && v.Value != value {
			t.Errorf("%+v, given %q", v, value)
		}
	}
	for key, value := range map[string]string{"rpc.listen": "x", "mempool.seal_ms": "x"} {
		if _, err := Render(map[string]string{key: value}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s = %s: %v", key, value, err)
		}
	}
}

func TestSettingsHaveDistinctNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Settings() {
		for _, name := range []string{s.Env(), s.Flag()} {
			if seen[name] {
				t.Errorf("%s twice", name)
			}
			seen[name] = true
		}
		if s.Doc == "" {
			t.Errorf("%s has no text", s.Key)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"status", "start", "stop"}
	for name, want := range map[string]string{"statsu": "status", "strat": "start", "sto": "stop", "stat": "status", "zzzzzz": "", "": ""} {
		if got, ok := Nearest(name, known); got != want || ok != (want != "") {
			t.Errorf("%q: got %q", name, got)
		}
	}
	if _, ok := Nearest(strings.Repeat("s", 10_000), known); ok {
		t.Error("a long name is near to none")
	}
}

func ExampleSetting_Env() {
	for _, s := range Settings()[:2] {
		fmt.Println(s.Env(), s.Flag())
	}
	// Output:
	// REMORA_P2P_LISTEN p2p-listen
	// REMORA_RPC_LISTEN rpc-listen
}

func FuzzLoad(f *testing.F) {
	f.Add("[rpc]\nlisten = \"127.0.0.1:1\"\n")
	f.Add("metrics.listen = \"\"\n[node]\nroles = \"cache,gateway\"\nname = \"a\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Load(Sources{File: write(t, text), Env: environment(nil)})
		if err != nil {
			return
		}
		for _, s := range l.settings() {
			if err := s.check(); err != nil {
				t.Errorf("%s was loaded and is %v", s.Key, err)
			}
		}
	})
}
