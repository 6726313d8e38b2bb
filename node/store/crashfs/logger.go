package crashfs

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// Fatal is an error after which pebble cannot continue.
type Fatal struct{ Message string }

// Error returns pebble's message.
func (e *Fatal) Error() string { return e.Message }

// Logger is a pebble.Logger whose Fatalf neither exits the process nor returns; the package comment says why.
type Logger struct {
	mu     sync.Mutex
	fatals []*Fatal
}

// Infof drops the message.
func (l *Logger) Infof(string, ...any) {}

// Fatalf records the message, then panics with *Fatal in a goroutine that commits a batch and ends any other goroutine.
func (l *Logger) Fatalf(format string, args ...any) {
	e := &Fatal{fmt.Sprintf(format, args...)}
	l.mu.Lock()
	l.fatals = append(l.fatals, e)
	l.mu.Unlock()
	if strings.HasPrefix(e.Message, "pebble: fatal commit error") {
		panic(e)
	}
	runtime.Goexit()
}

// Fatals returns the fatal errors so far.
func (l *Logger) Fatals() []*Fatal {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Fatal(nil), l.fatals...)
}
