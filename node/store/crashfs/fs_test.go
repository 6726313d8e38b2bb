package crashfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora/node/store/crashfs"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, f vfs.FS, name, content string, sync bool) {
	t.Helper()
	h, err := f.Create(name)
	must(t, err)
	_, err = io.WriteString(h, content)
	must(t, err)
	if sync {
		must(t, h.Sync())
	}
	must(t, h.Close())
}

func syncDir(t *testing.T, f vfs.FS, name string) {
	t.Helper()
	d, err := f.OpenDir(name)
	must(t, err)
	must(t, d.Sync())
	must(t, d.Close())
}

func read(t *testing.T, f vfs.FS, name string) string {
	t.Helper()
	h, err := f.Open(name)
	must(t, err)
	b, err := io.ReadAll(h)
	must(t, err)
	must(t, h.Close())
	return string(b)
}

func list(t *testing.T, f vfs.FS, dir string) []string {
	t.Helper()
	names, err := f.List(dir)
	must(t, err)
	return names
}

// TestStrictKeepsOnlyWhatWasSynced covers the content of files, directory entries, and parents.
func TestStrictKeepsOnlyWhatWasSynced(t *testing.T) {
	f := crashfs.New(1)
	must(t, f.MkdirAll("a/b", 0o755))
	write(t, f, "a/synced", "content", true)
	write(t, f, "a/empty", "content", false)
	write(t, f, "a/b/child", "content", true)
	syncDir(t, f, "a/b")
	if got := list(t, f.Crash(crashfs.Strict), "/"); len(got) != 0 {
		t.Fatalf("the root was never synced, yet holds %v", got)
	}
	syncDir(t, f, "/")
	if got := list(t, f.Crash(crashfs.Strict), "a"); len(got) != 0 {
		t.Fatalf("directory a was never synced, yet holds %v", got)
	}
	syncDir(t, f, "a")
	write(t, f, "a/late", "content", true)
	must(t, f.Remove("a/synced"))
	c := f.Crash(crashfs.Strict)
	if diff := cmp.Diff([]string{"b", "empty", "synced"}, list(t, c, "a")); diff != "" {
		t.Fatal(diff)
	}
	for name, want := range map[string]string{"a/synced": "content", "a/empty": "", "a/b/child": "content"} {
		if got := read(t, c, name); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if diff := cmp.Diff([]string{"b", "empty", "late"}, list(t, f, "a")); diff != "" {
		t.Fatalf("the running process sees what it did:\n%s", diff)
	}
}

// TestPartialKeepsPrefixes draws many images of one state: each is the synced part plus a prefix of what follows.
func TestPartialKeepsPrefixes(t *testing.T) {
	f := crashfs.New(2)
	old, late := strings.Repeat("o", 700), strings.Repeat("n", 3000)
	h, err := f.Create("file")
	must(t, err)
	_, err = io.WriteString(h, old)
	must(t, err)
	must(t, h.Sync())
	syncDir(t, f, "/")
	for range 3 {
		_, err = io.WriteString(h, late)
		must(t, err)
	}
	must(t, h.Close())
	for _, name := range []string{"x1", "x2", "x3"} {
		write(t, f, name, "", false)
	}
	must(t, f.Rename("x1", "x4"))
	sizes, torn, sets := make(map[int]bool), 0, make(map[string]bool)
	for range 500 {
		c := f.Crash(crashfs.Partial)
		got := read(t, c, "file")
		if !strings.HasPrefix(got, old) || len(got) > len(old)+3*len(late) {
			t.Fatalf("image of %d bytes does not begin with the synced bytes", len(got))
		}
		tail := strings.TrimLeft(got[len(old):], "n")
		if len(tail) > 512 {
			t.Fatalf("%d bytes of garbage, more than one block", len(tail))
		}
		if tail != "" {
			torn++
		}
		sizes[len(got)] = true
		sets[strings.Join(list(t, c, "/"), " ")] = true
	}
	want := map[string]bool{"file": true, "file x1": true, "file x1 x2": true, "file x1 x2 x3": true, "file x2 x3 x4": true}
	if diff := cmp.Diff(want, sets); diff != "" {
		t.Error(diff)
	}
	if len(sizes) < 100 || torn == 0 {
		t.Errorf("%d sizes and %d torn blocks in 500 images: too few to test anything", len(sizes), torn)
	}
}

// TestScatteredKeepsSubsets checks that later changes may survive earlier ones, and that synced bytes always do.
func TestScatteredKeepsSubsets(t *testing.T) {
	f := crashfs.New(3)
	write(t, f, "file", strings.Repeat("o", 2048), true)
	syncDir(t, f, "/")
	h, err := f.OpenReadWrite("file")
	must(t, err)
	_, err = h.WriteAt(bytes.Repeat([]byte("n"), 1024), 1024)
	must(t, err)
	must(t, h.Close())
	write(t, f, "first", "", false)
	write(t, f, "second", "", false)
	sets, contents := make(map[string]bool), make(map[string]bool)
	for range 200 {
		c := f.Crash(crashfs.Scattered)
		got := read(t, c, "file")
		if len(got) != 2048 || got[:1024] != strings.Repeat("o", 1024) {
			t.Fatal("synced bytes were touched")
		}
		contents[got[1024:1025]+got[1536:1537]] = true
		sets[strings.Join(list(t, c, "/"), " ")] = true
	}
	all := map[string]bool{"file": true, "file first": true, "file second": true, "file first second": true}
	if diff := cmp.Diff(all, sets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]bool{"oo": true, "on": true, "no": true, "nn": true}, contents); diff != "" {
		t.Error(diff)
	}
}

// TestFailAndLoseGiveTheSameImage runs one script under both and compares what is left, operation by operation.
func TestFailAndLoseGiveTheSameImage(t *testing.T) {
	script := func(f *crashfs.FS) error {
		if err := f.MkdirAll("d", 0o755); err != nil {
			return err
		}
		h, err := f.Create("d/x")
		if err != nil {
			return err
		}
		root, err := f.OpenDir("/")
		if err != nil {
			return err
		}
		d, err := f.OpenDir("d")
		if err != nil {
			return err
		}
		_, err = h.Write([]byte("hello"))
		return errors.Join(err, h.Sync(), root.Sync(), d.Sync(), f.Rename("d/x", "d/y"), d.Sync(), h.Close())
	}
	image := func(f *crashfs.FS) (out string) {
		for _, name := range list(t, f, "/") {
			out += name + "{"
			for _, child := range list(t, f, name) {
				out += child + "=" + read(t, f, "d/"+child) + ";"
			}
			out += "}"
		}
		return out
	}
	seen := make(map[string]bool)
	for n := 1; ; n++ {
		fail, lose := crashfs.New(7), crashfs.New(7)
		fail.FailAt(n)
		lose.LoseAt(n)
		if err := script(lose); err != nil {
			t.Fatal(err)
		}
		if err := script(fail); (err != nil) != fail.Crashed() || err != nil && !errors.Is(err, crashfs.ErrCrashed) {
			t.Fatalf("operation %d: error %v, crashed %v", n, err, fail.Crashed())
		}
		if !fail.Crashed() {
			break
		}
		for _, m := range []crashfs.Mode{crashfs.Strict, crashfs.Partial, crashfs.Scattered} {
			a, b := image(fail.Crash(m)), image(lose.Crash(m))
			if a != b {
				t.Fatalf("operation %d: FailAt left %s, LoseAt %s", n, a, b)
			}
			seen[a] = true
		}
	}
	if !seen["d{x=hello;}"] || !seen["d{y=hello;}"] || !seen[""] {
		t.Errorf("images seen: %v", seen)
	}
}

func TestDiskFull(t *testing.T) {
	f := crashfs.New(1)
	h, err := f.Create("file")
	must(t, err)
	f.FullAt(f.Ops() + 1)
	n, err := h.Write([]byte("12345678"))
	if n != 4 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("wrote %d bytes with error %v, want 4 and ENOSPC", n, err)
	}
	if _, err := f.Create("other"); !errors.Is(err, crashfs.ErrNoSpace) {
		t.Fatalf("create: %v", err)
	}
	if u, err := f.GetDiskUsage("/"); err != nil || u.AvailBytes != 0 {
		t.Fatalf("usage %+v, %v", u, err)
	}
	must(t, h.Sync())
	must(t, f.Rename("file", "renamed"))
	f.Heal()
	_, err = h.Write([]byte("9"))
	must(t, err)
	must(t, h.Close())
	if got := read(t, f, "renamed"); got != "12349" {
		t.Fatalf("file holds %q", got)
	}
}

// TestFailedSyncDropsPages checks that a sync repeated after a failure reports success without having saved anything.
func TestFailedSyncDropsPages(t *testing.T) {
	f := crashfs.New(1)
	h, err := f.Create("file")
	must(t, err)
	syncDir(t, f, "/")
	_, err = h.Write([]byte("lost"))
	must(t, err)
	f.SyncErrorAt(1)
	if err := h.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync: %v", err)
	}
	_, err = h.Write([]byte("kept"))
	must(t, err)
	must(t, h.Sync())
	must(t, h.Close())
	if got := read(t, f, "file"); got != "lostkept" {
		t.Fatalf("the process sees %q", got)
	}
	if got := read(t, f.Crash(crashfs.Strict), "file"); got != "\x00\x00\x00\x00kept" {
		t.Fatalf("the disk holds %q", got)
	}
}

func TestLyingSync(t *testing.T) {
	f := crashfs.New(1)
	f.LieAt(1)
	write(t, f, "file", "content", true)
	syncDir(t, f, "/")
	if got := list(t, f.Crash(crashfs.Strict), "/"); len(got) != 0 {
		t.Fatalf("the disk lied, yet %v survived", got)
	}
}

// TestNamespace checks the rules that pebble relies on.
func TestNamespace(t *testing.T) {
	f := crashfs.New(1)
	must(t, f.MkdirAll("d/e", 0o755))
	write(t, f, "d/a", "alpha", true)
	write(t, f, "d/b", "beta", true)
	must(t, f.Link("d/a", "d/link"))
	refused := map[string]error{
		"link over a file":         errors.Unwrap(f.Link("d/a", "d/b")),
		"remove a full directory":  errors.Unwrap(f.Remove("d")),
		"remove nothing":           errors.Unwrap(f.Remove("d/zz")),
		"mkdir through a file":     errors.Unwrap(f.MkdirAll("d/a/x", 0o755)),
		"rename nothing":           errors.Unwrap(f.Rename("d/zz", "d/y")),
		"remove all below no path": f.RemoveAll("no/such/path"),
	}
	want := map[string]error{
		"link over a file": fs.ErrExist, "remove a full directory": syscall.ENOTEMPTY, "remove nothing": fs.ErrNotExist,
		"mkdir through a file": syscall.ENOTDIR, "rename nothing": fs.ErrNotExist, "remove all below no path": nil,
	}
	for what, err := range refused {
		if !errors.Is(err, want[what]) {
			t.Errorf("%s: %v, want %v", what, err, want[what])
		}
	}
	must(t, f.Rename("d/b", "d/a"))
	if got := read(t, f, "d/a") + read(t, f, "d/link"); got != "betaalpha" {
		t.Errorf("after the rename: %q", got)
	}
	h, err := f.ReuseForWrite("d/link", "d/reused")
	must(t, err)
	_, err = h.Write([]byte("AL"))
	must(t, err)
	must(t, h.Close())
	if err := h.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	if got := read(t, f, "d/reused"); got != "ALpha" {
		t.Errorf("reused file holds %q", got)
	}
	must(t, f.RemoveAll("d/e"))
	if diff := cmp.Diff([]string{"a", "reused"}, list(t, f, "d")); diff != "" {
		t.Error(diff)
	}
	if st, err := f.Stat("/d/a"); err != nil || st.Size() != 4 || st.IsDir() || st.Name() != "a" {
		t.Errorf("stat: %v, %v", st, err)
	}
}

func TestLock(t *testing.T) {
	f := crashfs.New(1)
	l, err := f.Lock("LOCK")
	must(t, err)
	if _, err := f.Lock("/LOCK"); !errors.Is(err, syscall.EAGAIN) {
		t.Fatalf("second lock: %v", err)
	}
	other, err := f.Crash(crashfs.Partial).Lock("LOCK")
	must(t, err)
	must(t, other.Close())
	must(t, l.Close())
	again, err := f.Lock("LOCK")
	must(t, err)
	must(t, again.Close())
}
