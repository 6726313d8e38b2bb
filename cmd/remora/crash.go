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

// checkCrashLoop returns the reason of a crash loop, in which a validator only observes, or an empty string. From here on a
// panic of this process is written to the home.
func checkCrashLoop(h *home.Home, log *slog.Logger) (string, error) {
	crashes, err := h.Crashes(version)
	if err != nil {
		return "", err
	}
	f, err := h.PanicFile()
	if err != nil {
		return "", fmt.Errorf("open the file for panics: %w", err)
	}
	if err := errors.Join(debug.SetCrashOutput(f, debug.CrashOptions{}), f.Close()); err != nil {
		return "", fmt.Errorf("set the file for panics: %w", err)
	}
	reason, looping := home.Loop(crashes, version)
	if !looping {
		return "", nil
	}
	log.Error("the node crashed repeatedly for the same reason: it follows the chain and signs nothing. Report the reason; once it is fixed, run remora crashes --clear",
		slog.String("reason", reason), slog.String("home", h.Dir()))
	return reason, nil
}

// recordEnd stores the end of a run. A graceful stop clears earlier crashes, unless the node only observed.
func recordEnd(h *home.Home, observing bool, ended error) error {
	switch {
	case errors.Is(ended, context.Canceled) || errors.Is(ended, syscall.ENOSPC) || needsOperator(ended):
		return nil
	case ended != nil:
		return h.NoteCrash(home.Crash{Reason: codeOf(ended) + ": " + home.Signature(ended.Error()), Version: version, Time: time.Now()})
	case observing:
		return nil
	}
	return h.ForgetCrashes()
}

func (p *program) crashesCommand() *cli.Command {
	return &cli.Command{
		Name: "crashes", Usage: "show the latest crashes of a node; after three equal ones it only observes and signs nothing",
		Flags: []cli.Flag{
			homeFlag(), outputFlag(),
			&cli.BoolFlag{Name: "clear", Usage: "remove them, so that the node signs again after its next start"},
		},
		Action: withOutput(p.showCrashes),
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
	return p.printAnswer(asJSON, append([]home.Crash{}, crashes...), formatTable(rows...))
}
