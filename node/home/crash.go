package home

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// A crash loop is loopCrashes equal crashes in a row within loopTime.
const (
	loopCrashes = 3
	loopTime    = 10 * time.Minute
)

// modulePath begins the name of every function of this program.
const modulePath = "github.com/remora-network/remora"

// Crash is a run that ended with an error or a panic. A killed process leaves no Crash.
type Crash struct {
	Reason  string    `json:"reason"` // without numbers and hashes, so that equal crashes have equal reasons
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
}

// Loop reports whether the newest crashes are a crash loop of this version of the program, and their reason.
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

// Signature returns the first line of an error without numbers and hashes, which differ from one crash to the next.
func Signature(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	const limit = 300
	return varying.ReplaceAllString(line[:min(len(line), limit)], "#")
}

// panicSignature returns the signature of a panic's output: its first line, and the first function of this program in the
// first goroutine, which panicked.
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

// Crashes returns the newest crashes, oldest first. It first adds the panic of the last process, if there was one. Only
// the holder of the lock may call it.
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

// Kept returns the stored crashes, oldest first.
func (h *Home) Kept() ([]Crash, error) {
	var crashes []Crash
	if _, err := h.readJSON(crashFile, &crashes); err != nil {
		return nil, fmt.Errorf("%w; it only counts crashes; remove it", err)
	}
	return crashes, nil
}

// NoteCrash stores a crash.
func (h *Home) NoteCrash(c Crash) error {
	crashes, err := h.Kept()
	if err != nil {
		return err
	}
	crashes = append(crashes, c)
	return h.writeJSON(crashFile, crashes[max(0, len(crashes)-loopCrashes):])
}

// ForgetCrashes removes all crashes, after a graceful stop or when an operator has fixed the cause.
func (h *Home) ForgetCrashes() error { return h.removeFile(crashFile) }

// PanicFile opens the file for the output of a panic. The caller closes it.
func (h *Home) PanicFile() (*os.File, error) {
	return os.OpenFile(h.path(panicFile), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}
