package remora_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
)

func genesisJSON(t testing.TB) string {
	t.Helper()
	data, err := json.Marshal(sampleGenesis())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestParseGenesis(t *testing.T) {
	good := genesisJSON(t)
	g, err := remora.ParseGenesis([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sampleGenesis(), g); diff != "" || g.Hash() != sampleGenesis().Hash() {
		t.Errorf("genesis (-want +got):\n%s", diff)
	}
	c, err := g.Committee()
	if err != nil || c.Size() != 4 || c.Total() != 400 || c.Term != 1 || c.Domain != g.Domain() {
		t.Errorf("committee %+v, %v", c, err)
	}
	replace := func(old, by string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the genesis holds no %q", old)
		}
		return strings.Replace(good, old, by, 1)
	}
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"unknown field", replace(`"chain_id"`, `"colour":"blue","chain_id"`), remora.ErrMalformed},
		{"text behind", good + "{}", remora.ErrMalformed},
		{"garbage behind", good + "x", remora.ErrMalformed},
		{"space behind", good + "\n \n", nil},
		{"cut short", good[:len(good)-1], remora.ErrMalformed},
		{"number for an amount", replace(`"min_fee":"1"`, `"min_fee":1`), remora.ErrMalformed},
		{"amount with a sign", replace(`"min_fee":"1"`, `"min_fee":"+1"`), remora.ErrMalformed},
		{"upper-case hexadecimal", strings.ToUpper(good), remora.ErrMalformed},
		{"too large", strings.Repeat(" ", remora.MaxGenesisBytes) + good, remora.ErrTooLarge},
		{"invalid", replace(`"gc_depth":50`, `"gc_depth":1`), remora.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := remora.ParseGenesis([]byte(tt.text)); !errors.Is(err, tt.want) {
				t.Errorf("ParseGenesis = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestGenesisCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(*remora.Genesis)
		want   string // in the message; empty: valid
	}{
		{"as made", func(*remora.Genesis) {}, ""},
		{"no accounts", func(g *remora.Genesis) { g.Accounts = nil }, ""},
		{"no chain id", func(g *remora.Genesis) { g.ChainID = "" }, "chain_id"},
		{"long chain id", func(g *remora.Genesis) { g.ChainID = strings.Repeat("a", 33) }, "chain_id"},
		{"odd chain id", func(g *remora.Genesis) { g.ChainID = "Dev Test" }, "chain_id"},
		{"unknown rule", func(g *remora.Genesis) { g.Params.Rule = "coin toss" }, "rule"},
		{"shallow collection", func(g *remora.Genesis) { g.Params.GCDepth = 3 }, "gc_depth"},
		{"deep collection", func(g *remora.Genesis) { g.Params.GCDepth = 1001 }, "gc_depth"},
		{"short epoch", func(g *remora.Genesis) { g.Params.EpochMillis = 99 }, "epoch_millis"},
		{"nobody", func(g *remora.Genesis) { g.Validators = nil }, "committee of 0"},
		{"no stake", func(g *remora.Genesis) { g.Validators[1].Stake = 0 }, "stake 0"},
		{"a key twice", func(g *remora.Genesis) { g.Validators[1].Node.Header = g.Validators[0].Node.Header }, "share a key"},
		{"a name twice", func(g *remora.Genesis) { g.Validators[1].Node.Name = g.Validators[0].Node.Name }, "repeats a name"},
		{"an account twice", func(g *remora.Genesis) { g.Validators[1].Account = g.Validators[0].Account }, "repeats a name or account"},
		{"a bad node", func(g *remora.Genesis) { g.Validators[1].Node.Addrs = nil }, "validator 1"},
		{"an allocation twice", func(g *remora.Genesis) { g.Accounts = append(g.Accounts, g.Accounts[0]) }, "repeats address"},
		{"too much money", func(g *remora.Genesis) { g.Accounts[0].Balance = 1<<63 - 400 }, "supply"},
		{"most money", func(g *remora.Genesis) { g.Accounts[0].Balance = 1<<63 - 401 }, ""},
		{"money that overflows", func(g *remora.Genesis) { g.Accounts[0].Balance = 1<<64 - 1 }, "supply"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := sampleGenesis()
			tt.change(g)
			err := g.Check()
			if tt.want == "" {
				if err != nil {
					t.Errorf("Check = %v", err)
				}
				return
			}
			if !errors.Is(err, remora.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check = %v, want a word about %q", err, tt.want)
			}
		})
	}
	g := sampleGenesis()
	g.ChainID, g.Params.GCDepth, g.Validators[2].Stake = "", 0, 0
	for _, word := range []string{"chain_id", "gc_depth", "stake 0"} {
		if err := g.Check(); !strings.Contains(err.Error(), word) {
			t.Errorf("Check does not tell all at once: %v, want also %q", err, word)
		}
	}
	if !remora.IsDev(chainID) || remora.IsDev("main") {
		t.Error("ids of chains for development start with dev")
	}
}

func TestNodeCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(*remora.Node)
		valid  bool
	}{
		{"as made", func(*remora.Node) {}, true},
		{"no name", func(n *remora.Node) { n.Name = "" }, false},
		{"long name", func(n *remora.Node) { n.Name = strings.Repeat("a", 65) }, false},
		{"longest name", func(n *remora.Node) { n.Name = strings.Repeat("a", 64) }, true},
		{"name with a space", func(n *remora.Node) { n.Name = "a b" }, false},
		{"name with a line break", func(n *remora.Node) { n.Name = "a\n" }, false},
		{"name that ends in a hyphen", func(n *remora.Node) { n.Name = "a-" }, false},
		{"no role", func(n *remora.Node) { n.Roles = 0 }, false},
		{"all roles", func(n *remora.Node) { n.Roles = 7 }, true},
		{"unknown role", func(n *remora.Node) { n.Roles = 8 }, false},
		{"no peer id", func(n *remora.Node) { n.PeerID = "" }, false},
		{"peer id with a zero", func(n *remora.Node) { n.PeerID = "peer0" }, false},
		{"long peer id", func(n *remora.Node) { n.PeerID = strings.Repeat("a", 129) }, false},
		{"no address", func(n *remora.Node) { n.Addrs = nil }, false},
		{"empty address", func(n *remora.Node) { n.Addrs = []string{""} }, false},
		{"address that is none", func(n *remora.Node) { n.Addrs = []string{"localhost"} }, false},
		{"long address", func(n *remora.Node) { n.Addrs = []string{"/" + strings.Repeat("a", 256)} }, false},
		{"nine addresses", func(n *remora.Node) { n.Addrs = strings.Split(strings.Repeat("/a,", 8)+"/a", ",") }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := sampleGenesis().Validators[0].Node
			tt.change(&n)
			if err := n.Check(); (err == nil) != tt.valid || err != nil && !errors.Is(err, remora.ErrInvalid) {
				t.Errorf("Check = %v", err)
			}
		})
	}
}

// TestText reads and writes what appears in genesis files and requests as text.
func TestText(t *testing.T) {
	for roles := remora.Roles(1); roles < 8; roles++ {
		text, err := roles.MarshalText()
		var back remora.Roles
		if err != nil || back.UnmarshalText(text) != nil || back != roles {
			t.Errorf("roles %d are %q and read as %d", roles, text, back)
		}
	}
	var roles remora.Roles
	for _, text := range []string{"", "king", "validator,", "validator cache"} {
		if err := roles.UnmarshalText([]byte(text)); !errors.Is(err, remora.ErrInvalid) {
			t.Errorf("roles %q read as %d, %v", text, roles, err)
		}
	}
	for _, amount := range []remora.Amount{0, 1, 10, 1<<64 - 1} {
		text, err := amount.MarshalText()
		var back remora.Amount
		if err != nil || back.UnmarshalText(text) != nil || back != amount {
			t.Errorf("amount %d is %q and reads as %d", uint64(amount), text, uint64(back))
		}
	}
	var amount remora.Amount
	for _, text := range []string{"", "-1", "+1", "01", " 1", "1 ", "1e3", "0x1", "18446744073709551616"} {
		if err := amount.UnmarshalText([]byte(text)); !errors.Is(err, remora.ErrInvalid) {
			t.Errorf("amount %q reads as %d, %v", text, uint64(amount), err)
		}
	}
	hash := sampleHash(200)
	if back, err := remora.ParseHash(hash.String()); err != nil || back != hash || hash.IsZero() {
		t.Errorf("hash %s reads as %s, %v", hash, back, err)
	}
	address := sampleGenesis().Accounts[0].Address
	if back, err := remora.ParseAddress(address.String()); err != nil || back != address {
		t.Errorf("address %s reads as %s, %v", address, back, err)
	}
	for _, text := range []string{"", "ab", strings.ToUpper(hash.String()), hash.String() + "00", "0x" + hash.String()[2:]} {
		if _, err := remora.ParseHash(text); err == nil {
			t.Errorf("hash %q is read", text)
		}
		if _, err := remora.ParseAddress(text); err == nil {
			t.Errorf("address %q is read", text)
		}
	}
}

// TestSignatureText sends keys and signatures through JSON.
func TestSignatureText(t *testing.T) {
	type keys struct {
		Public remora.BLSPublicKey
		BLS    remora.BLSSignature
		Ed     remora.Signature
	}
	want := keys{Public: sampleMembers(1)[0].Consensus, BLS: sampleSignature(1), Ed: sampleHeader().Signature}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got keys
	if err := json.Unmarshal(data, &got); err != nil || got != want {
		t.Errorf("%s reads as %+v, %v", data, got, err)
	}
	if !strings.Contains(string(data), want.Public.String()) {
		t.Error("a public key is not written as String writes it")
	}
	for _, bad := range []string{`{"Public":"00"}`, `{"BLS":"zz"}`, `{"Ed":""}`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

func TestAmountArithmetic(t *testing.T) {
	const most = 1<<64 - 1
	for _, a := range []remora.Amount{0, 1, 5, 1 << 32, most - 1, most} {
		for _, b := range []remora.Amount{0, 1, 5, 1 << 32, most - 1, most} {
			if sum, fits := a.Add(b); fits != (most-a >= b) || fits && sum-b != a {
				t.Errorf("%s + %s = %s, %v", a, b, sum, fits)
			}
			if diff, fits := a.Sub(b); fits != (a >= b) || fits && diff+b != a {
				t.Errorf("%s - %s = %s, %v", a, b, diff, fits)
			}
			if product, fits := a.Mul(uint64(b)); fits != (b == 0 || a <= most/b) || fits && b > 0 && product/b != a {
				t.Errorf("%s * %s = %s, %v", a, b, product, fits)
			}
		}
	}
}

func FuzzParseGenesis(f *testing.F) {
	f.Add([]byte(genesisJSON(f)))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := remora.ParseGenesis(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		back, err := remora.ParseGenesis(again)
		if err != nil || back.Hash() != g.Hash() {
			t.Errorf("a genesis written and read again is another: %v", err)
		}
	})
}
