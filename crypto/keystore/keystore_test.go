package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

var (
	password = []byte("correct horse")
	// cheap makes a protected file that opens at once.
	cheap = cost{N: 4, R: 1, P: 1}
)

// newKeys makes keys of a kind that differ in every byte.
func newKeys(kind Kind) *Keys {
	k := &Keys{Kind: kind}
	next := byte(1)
	fill := func(b []byte) {
		for i := range b {
			b[i] = next
			next = next%255 + 1
		}
	}
	for _, s := range k.Secret.allSecrets()[:kind.countSecrets()] {
		fill(s[:])
	}
	fill(k.Public.Account[:])
	if kind == KindNode {
		for _, b := range [][]byte{k.Public.Header[:], k.Public.Network[:], k.Public.BLS[:], k.Public.Beacon[:]} {
			fill(b)
		}
	}
	return k
}

// saved writes a protected file and returns its path.
func saved(tb testing.TB, kind Kind) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "keys.json")
	if err := saveWithCost(path, newKeys(kind), password, cheap); err != nil {
		tb.Fatal(err)
	}
	return path
}

func TestSaveLoadPeek(t *testing.T) {
	for _, kind := range []Kind{KindAccount, KindNode} {
		for pass, c := range map[string]cost{"": openCost, string(password): cheap} {
			keys := newKeys(kind)
			path := filepath.Join(t.TempDir(), "keys.json")
			if err := saveWithCost(path, keys, []byte(pass), c); err != nil {
				t.Fatal(err)
			}
			info, err := Peek(path)
			if err != nil || info != (Info{Kind: kind, Protected: pass != "", Public: keys.Public}) {
				t.Errorf("%s: peek says %+v, %v", kind, info, err)
			}
			back, err := Load(path, []byte(pass))
			if err != nil || *back != *keys {
				t.Errorf("%s, password %q: %v", kind, pass, err)
			}
			if _, err := Load(path, []byte("x"+pass)); !errors.Is(err, ErrPassword) {
				t.Errorf("%s, wrong password: %v", kind, err)
			}
			assertAlone(t, path)
		}
	}
}

// The cost that Save chooses is one that Load accepts, and high only where there is something to protect.
func TestSaveChoosesTheCost(t *testing.T) {
	for pass, want := range map[string]cost{"": openCost, string(password): passwordCost} {
		path := filepath.Join(t.TempDir(), "keys.json")
		keys := newKeys(KindAccount)
		if err := Save(path, keys, []byte(pass)); err != nil {
			t.Fatal(err)
		}
		f, _, err := readKeyFile(path)
		if err != nil || f.Crypto.cost != want {
			t.Fatalf("password %q: cost %+v, %v", pass, f.Crypto.cost, err)
		}
		if back, err := f.decryptKeys([]byte(pass)); err != nil || *back != *keys {
			t.Errorf("password %q: %v", pass, err)
		}
	}
}

// assertAlone checks the mode of a saved file, and that no temporary one is left beside it.
func assertAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries beside the key file, %v", len(entries), err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
}

func TestFileHidesSecrets(t *testing.T) {
	path := saved(t, KindNode)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := newKeys(KindNode).Secret.joinSecrets(KindNode)
	for i := 0; i < len(secret); i += 32 {
		if bytes.Contains(data, secret[i:i+8]) {
			t.Errorf("secret %d is in the file", i/32)
		}
	}
}

// Files written by the first version stay readable.
func TestGoldenFiles(t *testing.T) {
	for _, kind := range []Kind{KindAccount, KindNode} {
		data, err := os.ReadFile(filepath.Join("testdata", string(kind)+"-v1.json"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := decodeFile(data)
		if err != nil {
			t.Fatal(err)
		}
		k, err := f.decryptKeys(password)
		if err != nil || *k != *newKeys(kind) {
			t.Errorf("%s: %v", kind, err)
		}
		if again, err := f.encodeJSON(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s: encodes differently: %v", kind, err)
		}
	}
}

func TestSaveNeverOverwrites(t *testing.T) {
	path := saved(t, KindAccount)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	err = Save(path, newKeys(KindNode), nil)
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("got %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed: %v", err)
	}
	assertAlone(t, path)
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	keys := newKeys(KindNode)
	if err := Save(filepath.Join(dir, "missing", "keys.json"), keys, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	for name, spoil := range map[string]func(*Keys){
		"no kind":                    func(k *Keys) { k.Kind = "" },
		"unknown kind":               func(k *Keys) { k.Kind = "cold" },
		"too much for its kind":      func(k *Keys) { k.Kind = KindAccount },
		"public half too much":       func(k *Keys) { k.Kind = KindAccount; k.Secret = Secrets{Account: k.Secret.Account} },
		"account's secret missing":   func(k *Keys) { k.Secret.Account = Secret{} },
		"beacon's secret missing":    func(k *Keys) { k.Secret.Beacon = Secret{} },
		"network's public missing":   func(k *Keys) { k.Public.Network = [32]byte{} },
		"validator's public missing": func(k *Keys) { k.Public.BLS = [96]byte{} },
	} {
		k := newKeys(KindNode)
		spoil(k)
		if err := Save(filepath.Join(dir, "keys.json"), k, nil); !errors.Is(err, ErrKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("something was written: %v, %v", entries, err)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	k := newKeys(KindNode)
	raw := string(k.Secret.BLS[:4])
	forms := []string{raw, fmt.Sprintf("%x", raw), fmt.Sprintf("%d", []byte(raw))[1:8]}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		out := fmt.Sprintf(format, k.Secret)
		for _, secret := range forms {
			if strings.Contains(out, secret) {
				t.Errorf("%s prints %s", format, out)
			}
		}
	}
	if out, err := json.Marshal(k); err == nil {
		t.Errorf("secrets become JSON: %s", out)
	}
}

func TestLoadChecksTheFile(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(path string) error
		want  error
		hint  string
	}{
		{"missing", os.Remove, fs.ErrNotExist, "remora init"},
		{"read by group", func(p string) error { return os.Chmod(p, 0o640) }, ErrPermissions, "chmod 600"},
		{"read by all", func(p string) error { return os.Chmod(p, 0o644) }, ErrPermissions, "chmod 600"},
		{"written by all", func(p string) error { return os.Chmod(p, 0o602) }, ErrPermissions, "chmod 600"},
		{"a directory", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }, ErrCorrupt, "regular"},
		{"a pipe", func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }, ErrCorrupt, "regular"},
		{"empty", func(p string) error { return os.Truncate(p, 0) }, ErrCorrupt, "backup"},
		{"truncated", func(p string) error { return os.Truncate(p, 300) }, ErrCorrupt, "backup"},
		{"huge", func(p string) error { return os.Truncate(p, 1<<30) }, ErrCorrupt, "bytes"},
	}
	for _, tc := range cases {
		path := saved(t, KindNode)
		if err := tc.spoil(path); err != nil {
			t.Fatal(err)
		}
		_, loadErr := Load(path, password)
		_, peekErr := Peek(path)
		for _, err := range []error{loadErr, peekErr} {
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.hint) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: got %v, want %v with a hint about %q", tc.name, err, tc.want, tc.hint)
			}
		}
	}
	path := saved(t, KindNode)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, password); err != nil {
		t.Errorf("a read-only file: %v", err)
	}
}

// No change of one byte yields other keys, a panic, or the blame of the password.
func TestEveryFlippedByteIsFound(t *testing.T) {
	path := saved(t, KindNode)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := newKeys(KindNode)
	for i := range data {
		for _, bit := range []byte{0x01, 0x20} {
			spoiled := bytes.Clone(data)
			spoiled[i] ^= bit
			f, err := decodeFile(spoiled)
			if err != nil {
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrCost) {
					t.Fatalf("byte %d: %v", i, err)
				}
				continue
			}
			if k, err := f.decryptKeys(password); err != nil || *k != *want {
				t.Fatalf("byte %d of %q: %v", i, data[max(0, i-20):i], err)
			}
		}
	}
}

// reforge changes a file and makes its checksum right again.
func reforge(tb testing.TB, change func(*file)) []byte {
	tb.Helper()
	f, err := encryptKeys(newKeys(KindNode), password, cheap)
	if err != nil {
		tb.Fatal(err)
	}
	change(f)
	if f.Checksum, err = f.computeChecksum(); err != nil {
		tb.Fatal(err)
	}
	data, err := f.encodeJSON()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// Every field is bounded before scrypt runs: N = 2^30 would take 1 TiB of memory here.
func TestDecodeRefuses(t *testing.T) {
	cases := []struct {
		name   string
		change func(*file)
		want   error
	}{
		{"memory bomb", func(f *file) { f.Crypto.N, f.Crypto.R = 1<<30, 1<<10 }, ErrCost},
		{"n over the ceiling", func(f *file) { f.Crypto.N = highestCost.N * 2 }, ErrCost},
		{"n not a power of two", func(f *file) { f.Crypto.N = 3 }, ErrCost},
		{"n one", func(f *file) { f.Crypto.N = 1 }, ErrCost},
		{"n negative", func(f *file) { f.Crypto.N = -1 << 62 }, ErrCost},
		{"r zero", func(f *file) { f.Crypto.R = 0 }, ErrCost},
		{"r over the ceiling", func(f *file) { f.Crypto.R = highestCost.R + 1 }, ErrCost},
		{"p zero", func(f *file) { f.Crypto.P = 0 }, ErrCost},
		{"p over the ceiling", func(f *file) { f.Crypto.P = 1 << 40 }, ErrCost},
		{"other derivation", func(f *file) { f.Crypto.KDF = "argon2id" }, ErrCorrupt},
		{"other cipher", func(f *file) { f.Crypto.Cipher = "none" }, ErrCorrupt},
		{"short salt", func(f *file) { f.Crypto.Salt = f.Crypto.Salt[1:] }, ErrCorrupt},
		{"no nonce", func(f *file) { f.Crypto.Nonce = nil }, ErrCorrupt},
		{"short ciphertext", func(f *file) { f.Crypto.Ciphertext = f.Crypto.Ciphertext[1:] }, ErrCorrupt},
		{"other version", func(f *file) { f.Version = 2 }, ErrCorrupt},
		{"unknown kind", func(f *file) { f.Kind = "validator" }, ErrCorrupt},
		{"other kind", func(f *file) { f.Kind = KindAccount }, ErrCorrupt},
	}
	for _, tc := range cases {
		if _, err := decodeFile(reforge(t, tc.change)); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.want)
		}
	}
	good := reforge(t, func(*file) {})
	for name, data := range map[string][]byte{
		"unknown field": bytes.Replace(good, []byte(`"version"`), []byte(`"x": 1, "version"`), 1),
		"trailing data": append(bytes.Clone(good), good...),
		"upper case":    bytes.ToUpper(good),
		"null":          []byte("null"),
		"array":         []byte("[]"),
		"too large":     append(bytes.Clone(good), bytes.Repeat([]byte(" "), maxFileSize)...),
	} {
		if _, err := decodeFile(data); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
}

// Whoever can write the file can make the checksum right, but cannot change what it shows unnoticed.
func TestOpenAuthenticatesWhatIsShown(t *testing.T) {
	f, err := decodeFile(reforge(t, func(f *file) { f.Public.Account, f.Public.Header = f.Public.Header, f.Public.Account }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.decryptKeys(password); !errors.Is(err, ErrPassword) {
		t.Errorf("swapped public keys: %v", err)
	}
}

// A zero secret is no key of either scheme.
func TestOpenRefusesZeroSecrets(t *testing.T) {
	k := newKeys(KindNode)
	k.Secret.BLS = Secret{}
	data := reforge(t, func(f *file) {
		show, err := json.Marshal(f.shown)
		if err != nil {
			t.Fatal(err)
		}
		if f.Crypto, err = encryptSecret(k.Secret.joinSecrets(KindNode), password, show, cheap); err != nil {
			t.Fatal(err)
		}
	})
	f, err := decodeFile(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.decryptKeys(password); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestSealIsFresh(t *testing.T) {
	secret := make([]byte, SecretSize)
	a, errA := encryptSecret(secret, password, nil, cheap)
	b, errB := encryptSecret(secret, password, nil, cheap)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Salt, b.Salt) || bytes.Equal(a.Nonce, b.Nonce) || bytes.Equal(a.Ciphertext, b.Ciphertext) {
		t.Error("salt or nonce repeats")
	}
	if len(a.Ciphertext) != SecretSize+chacha20poly1305.Overhead {
		t.Errorf("ciphertext of %d bytes", len(a.Ciphertext))
	}
}

// What decodes can be encoded again and means the same; opening it may fail but not panic.
func FuzzDecode(f *testing.F) {
	for _, kind := range []Kind{KindAccount, KindNode} {
		data, err := os.ReadFile(filepath.Join("testdata", string(kind)+"-v1.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"version":1,"kind":"account","crypto":{"kdf":"scrypt","n":1073741824}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Most mutations break the checksum: repair it, to reach what lies behind.
		var repaired file
		if json.Unmarshal(data, &repaired) == nil {
			if sum, err := repaired.computeChecksum(); err == nil {
				repaired.Checksum = sum
				if fixed, err := repaired.encodeJSON(); err == nil {
					data = fixed
				}
			}
		}
		got, err := decodeFile(data)
		if err != nil {
			return
		}
		if got.Crypto.N <= 1<<10 {
			if k, err := got.decryptKeys(password); err == nil && k.Public != got.Public {
				t.Fatal("opened as other keys than it names")
			}
		}
		again, err := got.encodeJSON()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeFile(again); err != nil || back.Checksum != got.Checksum {
			t.Fatalf("does not survive a round trip: %v", err)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for name, pass := range map[string][]byte{"password": password, "open": nil} {
		path := filepath.Join(b.TempDir(), "keys.json")
		if err := Save(path, newKeys(KindNode), pass); err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Load(path, pass); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
