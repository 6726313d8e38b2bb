package keystore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/remora-network/remora"
)

func usedRecord(round remora.Round) Record {
	return Record{Key: newKeys(KindNode).Public.BLS, Used: true, ChainID: "dev-1", Genesis: remora.Hash{1}, Round: round}
}

func TestRecordIsNeverLowered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.json")
	if _, err := LoadRecord(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("none: %v", err)
	}
	unused := Record{Key: usedRecord(0).Key}
	for _, step := range []struct{ save, want Record }{
		{unused, unused},
		{usedRecord(300), usedRecord(300)},
		{usedRecord(200), usedRecord(300)},
		{unused, usedRecord(300)},
		{usedRecord(512), usedRecord(512)},
	} {
		if err := SaveRecord(path, step.save); err != nil {
			t.Fatal(err)
		}
		if got, err := LoadRecord(path); err != nil || got != step.want {
			t.Fatalf("got %+v, want %+v, error %v", got, step.want, err)
		}
	}
	assertAlone(t, path)
}

func TestRecordOfAnotherKeyOrChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.json")
	if err := SaveRecord(path, usedRecord(9)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Record){
		"key":     func(r *Record) { r.Key[0] ^= 1 },
		"chain":   func(r *Record) { r.ChainID = "dev-2" },
		"genesis": func(r *Record) { r.Genesis[0] ^= 1 },
	} {
		other := usedRecord(500)
		change(&other)
		if err := SaveRecord(path, other); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := LoadRecord(path); err != nil || got.Round != 9 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDamagedRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.json")
	for _, text := range []string{
		"", "{", "[]", `{"version":2,"state":"unused","round":0}`, `{"version":1,"state":"perhaps","round":0}`,
		`{"version":1,"state":"unused","round":7}`, `{"version":1,"state":"used","round":7}`,
		`{"version":1,"state":"unused","round":0,"more":1}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadRecord(path); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
		if err := SaveRecord(path, usedRecord(1)); !errors.Is(err, ErrRecord) {
			t.Errorf("%q was replaced: %v", text, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadRecord(path); !errors.Is(err, ErrPermissions) {
		t.Errorf("open to others: %v", err)
	}
}

func TestExportCarriesTheRecord(t *testing.T) {
	key, dir := saved(t, KindNode), t.TempDir()
	out, recordPath := filepath.Join(dir, "export.json"), filepath.Join(dir, "signing.json")
	if err := Export(out, key, recordPath); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("without a record: %v", err)
	}
	if err := SaveRecord(recordPath, usedRecord(300)); err != nil {
		t.Fatal(err)
	}
	if err := Export(out, key, recordPath); err != nil {
		t.Fatal(err)
	}
	keys, r, err := Import(out, password)
	if err != nil || *keys != *newKeys(KindNode) || r == nil || *r != usedRecord(300) {
		t.Fatalf("got %+v, %v", r, err)
	}
	if _, _, err := Import(out, []byte("wrong")); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if err := Export(out, key, recordPath); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto a file: %v", err)
	}
	if keys, r, err = Import(key, password); err != nil || keys == nil || r != nil {
		t.Errorf("a key file alone: record %v, error %v", r, err)
	}
}

func TestImportOfAnotherKeysRecord(t *testing.T) {
	key, dir := saved(t, KindNode), t.TempDir()
	other := usedRecord(3)
	other.Key[5] ^= 1
	if err := SaveRecord(filepath.Join(dir, "signing.json"), other); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "export.json")
	if err := Export(out, key, filepath.Join(dir, "signing.json")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Import(out, password); !errors.Is(err, ErrRecord) {
		t.Errorf("got %v", err)
	}
}
