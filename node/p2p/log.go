package p2p

import (
	"context"
	"log/slog"
	"sync"

	"github.com/libp2p/go-libp2p/gologshim"
)

var quietOnce sync.Once

// quiet sends libp2p's log to ours as debug lines. libp2p has one log per process and would write to standard error, at
// level error even for a listener that we close ourselves; what an operator must know, this package says itself.
func quiet(log *slog.Logger) {
	quietOnce.Do(func() { gologshim.SetDefaultHandler(demoted{log.Handler()}) })
}

// demoted is a handler that takes every record as a debug record.
type demoted struct{ slog.Handler }

// Enabled reports whether debug lines are wanted.
func (d demoted) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle writes the record at level debug, with its own level as an attribute.
func (d demoted) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(slog.String("libp2p_level", r.Level.String()))
	r.Level = slog.LevelDebug
	return d.Handler.Handle(ctx, r)
}

// WithAttrs keeps the handler demoted.
func (d demoted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return demoted{d.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the handler demoted.
func (d demoted) WithGroup(name string) slog.Handler { return demoted{d.Handler.WithGroup(name)} }
