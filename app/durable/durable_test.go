package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/remora-network/remora/app/durable"
)

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"first", "second", ""} {
		if err := durable.Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		checkFile(t, path, text)
	}
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := durable.Create(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := durable.Create(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created over an existing file: %v, want fs.ErrExist", err)
	}
	checkFile(t, path, "first")
}

// TestFailureLeavesNothing has the last step fail: a directory stands where the file should be.
func TestFailureLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(string, []byte) error{"replace": durable.Replace, "create": durable.Create} {
		if err := write(path, []byte("text")); err == nil {
			t.Errorf("%s over a directory succeeded", name)
		}
		checkAlone(t, path)
	}
}

func TestNoDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	if err := durable.Replace(filepath.Join(dir, "file"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("replace in a missing directory: %v, want fs.ErrNotExist", err)
	}
	if err := durable.SyncDir(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sync of a missing directory: %v, want fs.ErrNotExist", err)
	}
}

func checkFile(t *testing.T, path, want string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, want 0600", info.Mode())
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("the file holds %q (%v), want %q", got, err, want)
	}
	checkAlone(t, path)
}

// checkAlone checks that no temporary file stays beside path.
func checkAlone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v), want one entry", entries, err)
	}
}
