package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/home"
)

// crashLoop returns why a validator must only observe: it ended several times in the same way. It is empty when all is
// well. From here on a panic of this process is written down for the next one.
func crashLoop(h *home.Home, log *slog.Logger) (string, error) {
	crashes, err := h.Crashes(version)
	if err != nil {
		return "", err
	}
	f, err := h.PanicFile()
	if err != nil {
		return "", fmt.Errorf("open the file for panics: %w", err)
	}
	if err := errors.Join(debug.SetCrashOutput(f, debug.CrashOptions{}), f.Close()); err != nil {
		return "", fmt.Errorf("have panics written down: %w", err)
	}
	reason, looping := home.Loop(crashes, version)
	if !looping {
		return "", nil
	}
	log.Error("the node crashed again and again in the same way: it follows the chain and signs nothing. Report the reason; once it is mended: remora crashes --clear",
		slog.String("reason", reason), slog.String("home", h.Dir()))
	return reason, nil
}

// noteEnd remembers how a run ended. An orderly end forgives earlier crashes, unless the node only observed: then nothing
// was tried.
func noteEnd(h *home.Home, observing bool, ended error) error {
	switch {
	case errors.Is(ended, context.Canceled) || errors.Is(ended, syscall.ENOSPC) || final(ended):
		return nil
	case ended != nil:
		return h.NoteCrash(home.Crash{Reason: codeOf(ended) + ": " + home.Signature(ended.Error()), Version: version, Time: time.Now()})
	case observing:
		return nil
	}
	return h.ForgetCrashes()
}

func (p *program) crashes() *cli.Command {
	return &cli.Command{
		Name: "crashes", Usage: "how the node of a home ended lately; three equal ends make it an observer that signs nothing",
		Flags: []cli.Flag{
			homeFlag(), outputFlag(),
			&cli.BoolFlag{Name: "clear", Usage: "forget them, so that the next start signs again"},
		},
		Action: do(p.showCrashes),
	}
}

func (p *program) showCrashes(c *cli.Context, asJSON bool) error {
	h, err := home.Open(c.String(flagHome))
	if err != nil {
		return err
	}
	if c.Bool("clear") {
		if err := h.ForgetCrashes(); err != nil {
			return err
		}
	}
	crashes, err := h.Kept()
	if err != nil {
		return err
	}
	rows := [][]string{{"TIME", "VERSION", "REASON"}}
	for _, crash := range crashes {
		rows = append(rows, []string{crash.Time.Format(time.DateTime), crash.Version, crash.Reason})
	}
	return p.answer(asJSON, append([]home.Crash{}, crashes...), table(rows...))
}
