package remora_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/remora-network/remora"

// The packages that a layer may import, from the leaves upwards. Names are relative to the module; "." is its root.
var (
	root      = []string{"."}
	floor     = []string{"app/durable", "app/steady", "node/limits"}
	verifiers = []string{"crypto/bls", "crypto/ed25519"}
	proofs    = []string{"proofs/content", "proofs/delivery", "proofs/bandwidth", "proofs/claim", "proofs/beacon"}
	session   = []string{"app/session"}
	subjects  = []string{"state/delivery", "state/bandwidth", "state/governance", "state/beacon", "state/payload"}
	apps      = []string{
		"app/store", "app/transfer", "app/cache", "app/fetch", "app/route", "app/index",
		"app/delivery", "app/gateway", "app/publish", "app/archive", "app/dashboard",
	}
	shells = []string{"node/rpc", "node/services", "node/replay", "node/sim", "node/sim/twins", "node/devnet", "node/prover", "node/wallet"}

	belowLedger  = join(root, verifiers, []string{"state/table", "state/tree", "state/verdict"}, proofs)
	belowSubject = join(belowLedger, []string{"state/ledger", "state/registry"})
	belowNode    = join(
		belowSubject, subjects, floor, session, apps,
		[]string{"state", "crypto/keystore", "mempool", "mempool/admission", "mempool/worker", "consensus"},
	)
	// spine lists the packages that several parts of the shell share, from the disk upwards. Each may import those before it.
	spine = []string{
		"node/store/segment", "node/store", "node/exec", "node/restore", "node/flight", "node/trust", "node/head", "node/p2p",
		"node/metrics", "node/door", "node/peers", "node/blocksync",
		"node/client/strict", "node/client/param", "node/light", "node/client", "node/home", "node/port", "node/web", "node/config", "node/validator",
	}
	belowShell = join(belowNode, spine)
)

// layers is the import lattice: no package may import one of the module that its layer does not name.
var layers = slices.Concat([]layer{
	{root, nil},
	{join(floor, []string{"testdata/goldentest"}), nil},
	{verifiers, root},
	{[]string{"crypto/keystore"}, join(root, floor)},
	{[]string{"mempool", "mempool/admission", "mempool/worker", "consensus", "state/table", "state/tree", "state/verdict", "proofs/content"}, root},
	{proofs[1:], join(root, verifiers, proofs[:1])},
	{[]string{"state/ledger"}, belowLedger},
	{[]string{"state/registry"}, join(belowLedger, []string{"state/ledger"})},
	{subjects, belowSubject},
	{[]string{"state"}, join(belowSubject, subjects)},
	{session, join(root, proofs)},
	{apps, join(root, floor, session, verifiers, proofs, apps)},
	{[]string{crashFS}, belowNode},
}, climb(spine), []layer{
	{shells, belowShell},
	{[]string{"testdata"}, nil},
	{[]string{"node/bench", "node/chaos/attack"}, join(belowShell, []string{"node/devnet"})},
	{[]string{"node/chaos"}, join(belowShell, []string{"node/devnet", "node/chaos/attack"})},
	{[]string{"node/story"}, join(belowShell, []string{"node/devnet", "node/replay", "node/wallet", "testdata"})},
	{[]string{"node"}, join(belowShell, shells, []string{"node/bench"})},
	{[]string{"cmd/remora", "cmd/vet", "cmd/mutants"}, join(belowShell, shells, []string{"node/bench", "node/story", "node", "testdata"})},
})

type layer struct{ packages, imports []string }

// climb makes a layer of each package: it may import what is below the shell and the packages before it.
func climb(packages []string) []layer {
	var layers []layer
	for i, p := range packages {
		layers = append(layers, layer{[]string{p}, join(belowNode, packages[:i])})
	}
	return layers
}

// heavy names the only packages that may import a heavy module, in product code and in tests.
var heavy = []struct {
	module string
	owners []string
}{
	{"github.com/supranational/blst", []string{"crypto/bls"}},
	{"github.com/consensys/gnark", []string{"proofs/claim", "node/prover"}},
	{"github.com/consensys/gnark-crypto", []string{"proofs/*", "node/prover"}},
	{"github.com/fxamacker/cbor", []string{".", "app/gateway"}},
	{"github.com/cockroachdb/pebble", []string{"node/store", "node/store/*"}},
	{"github.com/cometbft/cometbft-db", []string{"node/store", "node/store/*"}},
	{"github.com/libp2p/go-libp2p", []string{"node/p2p"}},
	{"github.com/multiformats/go-multiaddr", []string{"node/p2p"}},
	{"github.com/urfave/cli", []string{"cmd/*"}},
	{"github.com/prometheus", []string{"node/metrics"}},
}

// testModules are for tests and test packages only.
var testModules = []string{
	"github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "go.uber.org/goleak", "pgregory.net/rapid", "testing",
}

// impure lists the imports that give access to clocks, disks, sockets, goroutines or randomness. The purecore analyzer of
// cmd/vet reports the same ones, and impurities that need no import.
var impure = []string{
	"context", "crypto/rand", "golang.org/x/sync", "hash/maphash", "io/fs", "io/ioutil", "log", "math/rand", "net",
	"os", "path/filepath", "runtime", "sync", "syscall", "time", "unsafe",
}

// Ends of the sentences that violations returns.
const (
	nowhere = " belongs to no layer: give it one in deps_test.go"
	outside = ": not below its layer"
	pure    = ": a pure package takes its input from the shell"
)

// crashFS is a file system for tests that loses what was not synced; it counts as a test package.
const crashFS = "node/store/crashfs"

// listed is one package as `go list -json` prints it.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// TestImports checks every package of the module against the import rules.
func TestImports(t *testing.T) {
	if err := visitFolders(); err != nil {
		t.Fatal(err)
	}
	pkgs, err := listPackages()
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list found no package")
	}
	for _, v := range violations(pkgs) {
		t.Error(v)
	}
}

// TestImportsCatchViolations checks that the rules find packages that break them.
func TestImportsCatchViolations(t *testing.T) {
	tests := []struct {
		name string
		pkg  listed
		want []string
	}{
		{"a rule kept", product("./mempool", ".", "fmt"), nil},
		{"siblings", product("./mempool", "./consensus"), []string{"mempool imports consensus" + outside}},
		{"siblings the other way", product("./consensus", "./mempool/worker"), []string{"consensus imports mempool/worker" + outside}},
		{"root imports anything", product(".", "./crypto/bls"), []string{". imports crypto/bls" + outside}},
		{"proof of a sibling", product("./proofs/claim", "./proofs/content", "./proofs/delivery"), []string{"proofs/claim imports proofs/delivery" + outside}},
		{"state upwards", product("./state/ledger", "./state/registry"), []string{"state/ledger imports state/registry" + outside}},
		{"state sideways", product("./state/delivery", "./state/beacon"), []string{"state/delivery imports state/beacon" + outside}},
		{"state downwards", product("./state/governance", "./state/ledger", "./state/registry", "./proofs/claim"), nil},
		{"app reads state", product("./app/gateway", "./app/cache", "./state"), []string{"app/gateway imports state" + outside}},
		{"app uses the shell", product("./app/fetch", "./node/p2p"), []string{"app/fetch imports node/p2p" + outside}},
		{"store uses the executor", product("./node/store", "./node/exec"), []string{"node/store imports node/exec" + outside}},
		{"shell uses the node", product("./node/rpc", "./node/exec", "./node"), []string{"node/rpc imports node" + outside}},
		{"shell sideways", product("./node/rpc", "./node/sim"), []string{"node/rpc imports node/sim" + outside}},
		{"somebody imports cmd", product("./node", "./cmd/remora"), []string{"node imports cmd/remora" + outside}},
		{"cmd imports cmd", product("./cmd/remora", "./node", "./cmd/vet"), []string{"cmd/remora imports cmd/vet" + outside}},
		{"unknown package", product("./node/magic", "fmt"), []string{"node/magic" + nowhere}},
		{"unknown package below a known one", product("./app/gateway/web"), []string{"app/gateway/web" + nowhere}},
		{"clock in a pure package", product("./state", "time"), []string{"state imports time" + pure}},
		{"disk in a pure package", product("./state", "os/exec"), []string{"state imports os/exec" + pure}},
		{"goroutines in a pure package", product("./proofs/content", "golang.org/x/sync/errgroup"), []string{"proofs/content imports golang.org/x/sync/errgroup" + pure}},
		{"clock in the root", product(".", "time"), []string{". imports time" + pure}},
		{"clock in the shell", product("./node", "time", "os", "unsafe"), nil},
		{"a name that only begins alike", product("./state", "netip.example/os", "github.com/x/net"), nil},
		{"blst outside", product("./node/rpc", "github.com/supranational/blst/bindings/go"), []string{"node/rpc imports github.com/supranational/blst/bindings/go: only crypto/bls may"}},
		{"blst inside", product("./crypto/bls", "github.com/supranational/blst/bindings/go"), nil},
		{"gnark-crypto is not gnark", product("./proofs/delivery", "github.com/consensys/gnark-crypto/ecc"), nil},
		{"gnark outside", product("./proofs/delivery", "github.com/consensys/gnark/frontend"), []string{"proofs/delivery imports github.com/consensys/gnark/frontend: only proofs/claim, node/prover may"}},
		{"cbor outside", product("./state", "github.com/fxamacker/cbor/v2"), []string{"state imports github.com/fxamacker/cbor/v2: only ., app/gateway may"}},
		{"pebble below the store", product("./node/store/segment", "github.com/cockroachdb/pebble/vfs"), nil},
		{"pebble outside", product("./app/store", "github.com/cockroachdb/pebble"), []string{"app/store imports github.com/cockroachdb/pebble: only node/store, node/store/* may"}},
		{"multiaddr outside", product("./node/rpc", "github.com/multiformats/go-multiaddr"), []string{"node/rpc imports github.com/multiformats/go-multiaddr: only node/p2p may"}},
		{"command line outside", product("./node/config", "github.com/urfave/cli/v2"), []string{"node/config imports github.com/urfave/cli/v2: only cmd/* may"}},
		{"prometheus outside", product("./app/gateway", "github.com/prometheus/client_golang/prometheus"), []string{"app/gateway imports github.com/prometheus/client_golang/prometheus: only node/metrics may"}},
		{"test library in the product", product("./mempool", "pgregory.net/rapid"), []string{"mempool imports pgregory.net/rapid: only tests may"}},
		{"test package in the product", product("./node/rpc", "./mempool/mempooltest"), []string{"node/rpc imports mempool/mempooltest: only tests and node/sim may"}},
		{"crashing disk in the product", product("./node/store", "./node/store/crashfs"), []string{"node/store imports node/store/crashfs: only tests and node/sim may"}},
		{"test packages in the simulator", product("./node/sim", "./mempool/mempooltest", "./node/store/crashfs"), nil},
		{"test package", product("./mempool/mempooltest", ".", "./mempool", "./state/statetest", "pgregory.net/rapid", "time"), nil},
		{"test package across layers", product("./mempool/mempooltest", "./state"), []string{"mempool/mempooltest imports state" + outside}},
		{"test package of nothing", product("./foo/footest"), []string{"foo/footest" + nowhere}},
		{"tests", tested("./consensus", "./consensus", "./mempool/mempooltest", "pgregory.net/rapid", "os", "math/rand"), nil},
		{"tests with a crashing disk", tested("./node/exec", "./node/store/crashfs"), nil},
		{"tests across layers", tested("./consensus", "./state"), []string{"a test of consensus imports state" + outside}},
		{"tests with a heavy module", tested("./app/cache", "github.com/libp2p/go-libp2p"), []string{"a test of app/cache imports github.com/libp2p/go-libp2p: only node/p2p may"}},
		{"tests that import cmd", tested("./node", "./cmd/remora"), []string{"a test of node imports cmd/remora" + outside}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, violations([]listed{tt.pkg})); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLayersNamePackagesOnce checks the table itself: a package in two layers would have two sets of rules.
func TestLayersNamePackagesOnce(t *testing.T) {
	seen := make(map[string]bool)
	for _, l := range layers {
		for _, p := range l.packages {
			if seen[p] {
				t.Errorf("%s is in two layers", p)
			}
			seen[p] = true
		}
		for _, p := range l.imports {
			if !seen[p] && !slices.Contains(l.packages, p) {
				t.Errorf("the layer of %v may import %s, which no layer below it holds", l.packages, p)
			}
		}
	}
}

// violations returns a sentence for each import that the rules forbid and each package without a layer.
func violations(pkgs []listed) []string {
	var found []string
	for _, p := range pkgs {
		name, _ := local(p.ImportPath)
		allowed, known := mayImport(name)
		if !known {
			found = append(found, name+nowhere)
			continue
		}
		for _, imp := range p.Imports {
			if reason, bad := judge(name, imp, allowed); bad {
				found = append(found, fmt.Sprintf("%s imports %s%s", name, short(imp), reason))
			}
		}
		for _, imp := range join(p.TestImports, p.XTestImports) {
			if reason, bad := judgeTest(name, imp, allowed); bad {
				found = append(found, fmt.Sprintf("a test of %s imports %s%s", name, short(imp), reason))
			}
		}
	}
	return found
}

// mayImport returns the packages of the module that a package may import. A test package may also import its parent.
func mayImport(name string) (allowed []string, known bool) {
	if parent := path.Dir(name); path.Base(name) == path.Base(parent)+"test" {
		allowed, known = mayImport(parent)
		return join(allowed, []string{parent}), known
	}
	for _, l := range layers {
		if slices.Contains(l.packages, name) {
			return l.imports, true
		}
	}
	return nil, false
}

// judge reports whether product code of a package breaks a rule by an import, and which rule.
func judge(name, imp string, allowed []string) (reason string, bad bool) {
	if isTest(name) {
		return judgeTest(name, imp, allowed)
	}
	if target, ours := local(imp); ours {
		if isTest(target) && !within(name, []string{"node/sim"}) {
			return ": only tests and node/sim may", true
		}
		return outside, !isTest(target) && !slices.Contains(allowed, target)
	}
	if within(imp, testModules) {
		return ": only tests may", true
	}
	if isPure(name) && within(imp, impure) {
		return pure, true
	}
	return judgeHeavy(name, imp)
}

// judgeTest is judge for tests and for test packages: they may use clocks, disks, test libraries and test packages.
func judgeTest(name, imp string, allowed []string) (reason string, bad bool) {
	if target, ours := local(imp); ours {
		return outside, target != name && !isTest(target) && !slices.Contains(allowed, target)
	}
	return judgeHeavy(name, imp)
}

func judgeHeavy(name, imp string) (reason string, bad bool) {
	for _, h := range heavy {
		if within(imp, []string{h.module}) && !owns(name, h.owners) {
			return fmt.Sprintf(": only %s may", strings.Join(h.owners, ", ")), true
		}
	}
	return "", false
}

// owns reports whether one of the owners is the package or, written with a star, the folder that holds it.
func owns(name string, owners []string) bool {
	return slices.ContainsFunc(owners, func(owner string) bool {
		folder, star := strings.CutSuffix(owner, "/*")
		return name == owner || star && strings.HasPrefix(name, folder+"/")
	})
}

func isTest(name string) bool { return strings.HasSuffix(name, "test") || name == crashFS }

func isPure(name string) bool {
	return name == "." || within(name, []string{"mempool", "consensus", "state", "proofs", "app/session"})
}

// within reports whether an import path is one of the given ones or below one.
func within(imp string, parents []string) bool {
	return slices.ContainsFunc(parents, func(p string) bool { return imp == p || strings.HasPrefix(imp, p+"/") })
}

// local turns the import path of one of our packages into its name in the layout.
func local(imp string) (name string, ours bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}

func short(imp string) string {
	name, _ := local(imp)
	return name
}

func join(lists ...[]string) []string { return slices.Concat(lists...) }

// product is a package whose product code has the given imports; ours start with a dot.
func product(name string, imports ...string) listed {
	return listed{ImportPath: full(name), Imports: fullAll(imports)}
}

// tested is a package whose tests have the given imports.
func tested(name string, imports ...string) listed {
	return listed{ImportPath: full(name), XTestImports: fullAll(imports)}
}

func full(name string) string {
	if rest, ours := strings.CutPrefix(name, "."); ours {
		return module + rest
	}
	return name
}

func fullAll(names []string) []string {
	var paths []string
	for _, n := range names {
		paths = append(paths, full(n))
	}
	return paths
}

// visitFolders reads the folders in which go list looks for packages. The go tool does not track the files that go list
// reads, and would report a cached success after a package has gained an import.
func visitFolders() error {
	return filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		hidden := name != "." && strings.HasPrefix(entry.Name(), ".")
		if err == nil && entry.IsDir() && (hidden || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		return err
	})
}

func listPackages() ([]listed, error) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...").Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("go list: %w: %s", err, exit.Stderr)
	} else if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var pkgs []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list printed something else than packages: %w", err)
		}
		pkgs = append(pkgs, p)
	}
}
