package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/remora-network/remora/app/durable"
)

// A crash loop is so many equal crashes in a row within such a time.
const (
	loopCrashes = 3
	loopTime    = 10 * time.Minute
)

// modulePath begins the name of every function of this program.
const modulePath = "github.com/remora-network/remora"

// Crash is an end of a run that nobody asked for. A process that was killed leaves none.
type Crash struct {
	Reason  string    `json:"reason"` // without what differs from one time to the next
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
}

// Loop returns the reason of a crash loop of this version of the program: the newest crashes are equal and came soon one
// after the other. There is a better use of a node that crashes so than to go on signing and crashing.
func Loop(crashes []Crash, version string) (reason string, looping bool) {
	if len(crashes) < loopCrashes {
		return "", false
	}
	recent := crashes[len(crashes)-loopCrashes:]
	for _, c := range recent {
		if c.Reason != recent[0].Reason || c.Version != version {
			return "", false
		}
	}
	return recent[0].Reason, recent[loopCrashes-1].Time.Sub(recent[0].Time) <= loopTime
}

var varying = regexp.MustCompile(`[0-9a-f]{16,}|[0-9]+`)

// Signature reduces the text of an error to what is the same the next time: numbers and hashes go.
func Signature(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	const limit = 300
	return varying.ReplaceAllString(line[:min(len(line), limit)], "#")
}

// panicSignature is the signature of a crash's output: its first line and the first function of this program in the
// goroutine that ended it, which is the first of the output.
func panicSignature(text string) string {
	signature := Signature(text)
	_, stacks, _ := strings.Cut(text, "\ngoroutine ")
	stack, _, _ := strings.Cut(stacks, "\n\n")
	for line := range strings.Lines(stack) {
		if strings.HasPrefix(line, modulePath) {
			function, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), modulePath), "(0x")
			return signature + " in " + function
		}
	}
	return signature
}

// Crashes returns the newest crashes, oldest first. What the last process wrote when it panicked is one of them from then
// on. Only the holder of the lock calls it.
func (h *Home) Crashes(version string) ([]Crash, error) {
	info, err := os.Stat(h.path(panicFile))
	if err == nil && info.Size() > 0 {
		text, err := os.ReadFile(h.path(panicFile))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", panicFile, err)
		}
		if err := h.NoteCrash(Crash{Reason: panicSignature(string(text)), Version: version, Time: info.ModTime()}); err != nil {
			return nil, err
		}
		if err := os.Rename(h.path(panicFile), h.path(panicFile+".last")); err != nil {
			return nil, err
		}
	}
	return h.Kept()
}

// Kept returns the crashes that are kept, oldest first.
func (h *Home) Kept() ([]Crash, error) {
	data, err := os.ReadFile(h.path(crashFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var crashes []Crash
	if err == nil {
		err = json.Unmarshal(data, &crashes)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; it only counts crashes: remove it", crashFile, err)
	}
	return crashes, nil
}

// NoteCrash adds a crash to those that are kept.
func (h *Home) NoteCrash(c Crash) error {
	crashes, err := h.Kept()
	if err != nil {
		return err
	}
	crashes = append(crashes, c)
	text, err := json.Marshal(crashes[max(0, len(crashes)-loopCrashes):])
	if err != nil {
		return fmt.Errorf("encode %s: %w", crashFile, err)
	}
	return durable.Replace(h.path(crashFile), append(text, '\n'))
}

// ForgetCrashes ends a crash loop: an orderly stop does, and so does an operator who has mended the cause.
func (h *Home) ForgetCrashes() error {
	if err := os.Remove(h.path(crashFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// PanicFile opens the file into which a process writes the panic that ends it. The caller closes it.
func (h *Home) PanicFile() (*os.File, error) {
	return os.OpenFile(h.path(panicFile), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}
