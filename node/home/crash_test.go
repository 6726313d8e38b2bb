package home

import (
	"os"
	"testing"
	"time"
)

func TestLoop(t *testing.T) {
	at := func(minute int, reason, version string) Crash {
		return Crash{Reason: reason, Version: version, Time: time.Unix(int64(60*minute), 0)}
	}
	for name, test := range map[string]struct {
		crashes []Crash
		want    bool
	}{
		"none":               {nil, false},
		"two":                {[]Crash{at(0, "a", "1"), at(1, "a", "1")}, false},
		"three":              {[]Crash{at(0, "a", "1"), at(1, "a", "1"), at(10, "a", "1")}, true},
		"three of many":      {[]Crash{at(0, "b", "1"), at(1, "a", "1"), at(2, "a", "1"), at(3, "a", "1")}, true},
		"not in a row":       {[]Crash{at(1, "a", "1"), at(2, "b", "1"), at(3, "a", "1")}, false},
		"over a longer time": {[]Crash{at(0, "a", "1"), at(1, "a", "1"), at(11, "a", "1")}, false},
		"of another version": {[]Crash{at(0, "a", "2"), at(1, "a", "2"), at(2, "a", "2")}, false},
		"of two versions":    {[]Crash{at(0, "a", "2"), at(1, "a", "1"), at(2, "a", "1")}, false},
	} {
		if reason, got := Loop(test.crashes, "1"); got != test.want || got && reason != "a" {
			t.Errorf("%s: %v, %q", name, got, reason)
		}
	}
}

func TestSignature(t *testing.T) {
	for text, want := range map[string]string{
		"ordering stopped at round 123 by authority 4: bad":                             "ordering stopped at round # by authority #: bad",
		"block 7 is 00ff00ff00ff00ff00ff here and aaaaaaaaaaaaaaaaaaaa there\nand more": "block # is # here and # there",
		"": "",
	} {
		if got := Signature(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

const panicText = `panic: runtime error: index out of range [5] with length 3

goroutine 41 [running]:
panic({0x1, 0x2})
	/usr/lib/go/src/runtime/panic.go:783 +0x132
github.com/remora-network/remora/node.(*primary).settle(0xc000123400, {0x1, 0x2})
	/src/node/primary.go:150 +0x45
github.com/remora-network/remora/node.(*primary).run(0xc000123400)
	/src/node/primary.go:90 +0x45
`

// What a panic wrote is counted once, and what is kept stays small.
func TestCrashesAreKept(t *testing.T) {
	h := created(t)
	for i := range 5 {
		f, err := h.PanicFile()
		if err != nil {
			t.Fatal(err)
		}
		if crashes, err := h.Crashes("1"); err != nil || len(crashes) != min(i, 3) {
			t.Fatalf("start %d: %v, %v", i, crashes, err)
		}
		if _, err := f.WriteString(panicText); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			crashes, err := h.Crashes("1")
			if err != nil || len(crashes) != min(i+1, 3) {
				t.Fatalf("after crash %d: %v, %v", i, crashes, err)
			}
		}
	}
	crashes, err := h.Crashes("1")
	if err != nil {
		t.Fatal(err)
	}
	want := "panic: runtime error: index out of range [#] with length # in /node.(*primary).settle"
	if reason, looping := Loop(crashes, "1"); !looping || reason != want {
		t.Errorf("%v, %q", looping, reason)
	}
	for range 2 {
		if err := h.ForgetCrashes(); err != nil {
			t.Fatal(err)
		}
	}
	if crashes, err := h.Crashes("1"); err != nil || len(crashes) != 0 {
		t.Errorf("forgotten: %v, %v", crashes, err)
	}
	if err := os.WriteFile(h.path(crashFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Crashes("1"); err == nil {
		t.Error("damaged file read")
	}
}
