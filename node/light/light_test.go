package light_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/light"
	"github.com/remora-network/remora/node/replay/replaytest"
	"github.com/remora-network/remora/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// certified returns a chain with a certified block 2, the state after it, and its part of a proof.
func certified(t testing.TB, chainID string) (*replaytest.Chain, state.View, light.Certified) {
	t.Helper()
	c := replaytest.New(t, chainID)
	c.Block(c.Transfer(0, 1, 0, 5))
	block := c.Block(c.Transfer(0, 1, 1, 5))
	members, err := c.Genesis.Committee()
	if err != nil {
		t.Fatal(err)
	}
	return c, c.Executor.View(), light.Certify(&block.Header, c.Certify(2), members)
}

func prove(t testing.TB, view state.View, at light.Certified, address remora.Address) (*light.AccountProof, []byte) {
	t.Helper()
	proof, err := light.ProveAccount(view, at, address)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	return proof, doc
}

func TestVerifyAccount(t *testing.T) {
	c, view, at := certified(t, "dev-light")
	proof, doc := prove(t, view, at, c.Keys.Accounts[0].Public())
	if !proof.Exists || proof.Nonce != 2 || proof.Balance != replaytest.Balance-2*5_000-10 || proof.Height != 2 {
		t.Errorf("account %+v", proof)
	}
	parsed, err := light.ParseAccount(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := light.VerifyAccount(c.Genesis, parsed); err != nil {
		t.Error(err)
	}
	absent, doc := prove(t, view, at, remora.Address{1})
	if absent.Exists || absent.Balance != 0 {
		t.Errorf("nobody holds %+v", absent)
	}
	if parsed, err = light.ParseAccount(doc); err != nil {
		t.Fatal(err)
	}
	if err := light.VerifyAccount(c.Genesis, parsed); err != nil {
		t.Error(err)
	}
}

// TestFlippedDocument changes every byte of an answer. What still verifies must say the same.
func TestFlippedDocument(t *testing.T) {
	c, view, at := certified(t, "dev-flip")
	for name, address := range map[string]remora.Address{"present": c.Keys.Accounts[0].Public(), "absent": {1}} {
		want, doc := prove(t, view, at, address)
		for i := range doc {
			for _, flip := range []byte{0x01, 0x20, 0x80} {
				changed := append([]byte(nil), doc...)
				changed[i] ^= flip
				got, err := light.ParseAccount(changed)
				if err == nil {
					err = light.VerifyAccount(c.Genesis, got)
				}
				switch {
				case err == nil && !reflect.DeepEqual(got, want):
					t.Errorf("%s: byte %d, %q for %q: accepted %+v", name, i, changed[i], doc[i], got)
				case err != nil && !errors.Is(err, light.ErrUnverified):
					t.Errorf("%s: byte %d: %v, want ErrUnverified", name, i, err)
				}
			}
		}
	}
}

func TestVerifyAccountRefuses(t *testing.T) {
	c, view, at := certified(t, "dev-refuse")
	_, _, foreign := certified(t, "dev-foreign")
	one := c.Sign(header(t, at), 0, 1)
	tests := []struct {
		name   string
		change func(p *light.AccountProof)
	}{
		{"says that it does not exist", func(p *light.AccountProof) { p.Exists = false }},
		{"absent and rich", func(p *light.AccountProof) { p.Exists, p.Address = false, remora.Address{1} }},
		{"another account's proof", func(p *light.AccountProof) { p.Address = c.Keys.Accounts[1].Public() }},
		{"longer path", func(p *light.AccountProof) { p.Proof.Siblings = append(p.Proof.Siblings, remora.Hash{1}) }},
		{"endless path", func(p *light.AccountProof) { p.Proof.Siblings = make([]remora.Hash, 300) }},
		{"no path", func(p *light.AccountProof) { p.Proof.Siblings = nil }},
		{"no value", func(p *light.AccountProof) { p.Proof.Value = nil }},
		{"another chain's block", func(p *light.AccountProof) { p.Certified = foreign }},
		{"another chain's certificate", func(p *light.AccountProof) { p.Certificate = foreign.Certificate }},
		{"too few signers", func(p *light.AccountProof) { p.Certificate = remora.Encode(one) }},
		{"no certificate", func(p *light.AccountProof) { p.Certificate = nil }},
		{"no committee", func(p *light.AccountProof) { p.Committees = nil }},
		{"a committee too many", func(p *light.AccountProof) { p.Committees = append(p.Committees, p.Committees[0]) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := prove(t, view, at, c.Keys.Accounts[0].Public())
			tt.change(p)
			if err := light.VerifyAccount(c.Genesis, p); !errors.Is(err, light.ErrUnverified) {
				t.Errorf("got %v, want ErrUnverified", err)
			}
		})
	}
	other, _ := replaytest.Genesis(t, "dev-other")
	p, _ := prove(t, view, at, c.Keys.Accounts[0].Public())
	if err := light.VerifyAccount(other, p); !errors.Is(err, light.ErrUnverified) {
		t.Errorf("with another genesis: %v", err)
	}
}

func header(t *testing.T, at light.Certified) *remora.BlockHeader {
	t.Helper()
	h := new(remora.BlockHeader)
	if err := remora.Decode(at.Header, 4096, h); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestVerifyBlock(t *testing.T) {
	c, _, at := certified(t, "dev-blockproof")
	p := light.ProveBlock(header(t, at), at)
	got, err := light.VerifyBlock(c.Genesis, p)
	if err != nil || got.Height != 2 || got.Hash() != p.Hash {
		t.Errorf("got %+v, %v", got, err)
	}
	p.Height = 3
	if _, err := light.VerifyBlock(c.Genesis, p); !errors.Is(err, light.ErrUnverified) {
		t.Errorf("another height: %v", err)
	}
	p.Height, p.Hash = 2, remora.Hash{}
	if _, err := light.VerifyBlock(c.Genesis, p); !errors.Is(err, light.ErrUnverified) {
		t.Errorf("another hash: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	c, view, at := certified(t, "dev-parse")
	_, raw := prove(t, view, at, c.Keys.Accounts[0].Public())
	doc := string(raw)
	for name, text := range map[string]string{
		"nothing":        "",
		"two documents":  doc + doc,
		"cut off":        doc[:len(doc)/2],
		"unknown member": strings.Replace(doc, `{`, `{"note":"hi",`, 1),
		"repeated":       strings.Replace(doc, `{`, `{"balance":"99",`, 1),
		"two spellings":  strings.Replace(doc, `{`, `{"Balance":"99",`, 1),
		"upper case":     strings.ToUpper(doc),
		"too long":       doc + strings.Repeat(" ", light.MaxDocument),
	} {
		if _, err := light.ParseAccount([]byte(text)); !errors.Is(err, light.ErrUnverified) {
			t.Errorf("%s: %v, want ErrUnverified", name, err)
		}
	}
	if _, err := light.ParseBlock(raw); !errors.Is(err, light.ErrUnverified) {
		t.Errorf("an account as a block: %v", err)
	}
}

func FuzzVerifyAccount(f *testing.F) {
	c, view, at := certified(f, "dev-fuzz")
	for _, address := range []remora.Address{c.Keys.Accounts[0].Public(), {1}} {
		_, doc := prove(f, view, at, address)
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := light.ParseAccount(doc)
		if err != nil || light.VerifyAccount(c.Genesis, p) != nil {
			return
		}
		if want, _ := prove(t, view, at, p.Address); !reflect.DeepEqual(p, want) {
			t.Errorf("proven: %+v, true is %+v", p, want)
		}
	})
}
