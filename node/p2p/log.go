package p2p

import (
	"context"
	"log/slog"
	"sync"

	"github.com/libp2p/go-libp2p/gologshim"
)

var quietOnce sync.Once

// demoteLibraryLog sends libp2p's log to ours at level debug. libp2p has one log per process, writes to standard error and
// logs an error even when we close our own listener; this package logs whatever an operator must know.
func demoteLibraryLog(log *slog.Logger) {
	quietOnce.Do(func() { gologshim.SetDefaultHandler(demotedHandler{log.Handler()}) })
}

// demotedHandler logs every record at level debug.
type demotedHandler struct{ slog.Handler }

// Enabled reports whether level debug is enabled.
func (d demotedHandler) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle writes the record at level debug, with its own level as an attribute.
func (d demotedHandler) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(slog.String("libp2p_level", r.Level.String()))
	r.Level = slog.LevelDebug
	return d.Handler.Handle(ctx, r)
}

// WithAttrs keeps the handler demoted.
func (d demotedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return demotedHandler{d.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the handler demoted.
func (d demotedHandler) WithGroup(name string) slog.Handler {
	return demotedHandler{d.Handler.WithGroup(name)}
}
