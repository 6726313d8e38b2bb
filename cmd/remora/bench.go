package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora/node/bench"
)

func (p *program) benchCommands() *cli.Command {
	return &cli.Command{Name: "bench", Usage: "measure performance on this machine", Subcommands: []*cli.Command{{
		Name:  "order",
		Usage: "order and execute opaque transactions with real validators; report throughput and latency",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "validators", Value: 4, Usage: "number of validator processes"},
			&cli.IntFlag{Name: "size", Value: 512, Usage: "payload of a transaction in bytes"},
			&cli.IntFlag{Name: "rate", Usage: "transactions per second over all validators; 0: as fast as possible"},
			&cli.DurationFlag{Name: "duration", Value: 10 * time.Second, Usage: "duration of the measurement, after 3 s of warm-up"},
			&cli.IntFlag{Name: "workers", Value: 1, Usage: "workers per validator; this build has one"},
			&cli.StringFlag{Name: flagHome, Usage: "directory to keep the chain in (default: a temporary one)"},
			outputFlag(),
		},
		Action: withOutput(p.measureOrder),
	}}}
}

func (p *program) measureOrder(c *cli.Context, asJSON bool) error {
	if c.Int("workers") != 1 {
		return newUsageError("--workers %d: this build has one worker per validator", c.Int("workers"))
	}
	r, err := bench.Order(c.Context, bench.Options{
		Validators: c.Int("validators"), Size: c.Int("size"), Rate: c.Int("rate"), Duration: c.Duration("duration"),
		Home:     c.String(flagHome),
		Progress: func(format string, args ...any) { p.printMessage(format+"\n", args...) },
	})
	if errors.Is(err, bench.ErrOptions) {
		return newUsageError("%v", err)
	}
	if err != nil {
		return err
	}
	return p.printAnswer(asJSON, r, fmt.Sprintf(
		"%.0f tx/s committed (%.1f MB/s) in %.1f blocks/s; latency ms p50 %.0f, p90 %.0f, p99 %.0f, max %.0f\n"+
			"submitted %d, refused %d, duplicated %d, lost %d, unanswered %d; validators used %.1f s of CPU, %.0f MiB, %d bytes of disk",
		r.TxPerS, r.MBPerS, r.CommitPerS, r.Latency.P50, r.Latency.P90, r.Latency.P99, r.Latency.Max,
		r.Submitted, r.Refused, r.Duplicated, r.Lost, r.Unanswered, r.CPUSeconds, r.RSSMiB, r.DiskBytes))
}
