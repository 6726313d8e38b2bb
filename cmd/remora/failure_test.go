package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/config"
	"github.com/remora-network/remora/node/devnet"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/light"
)

// closedPipe is a stdout whose reader is gone.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "stdout", Err: syscall.EPIPE}
}

func TestClosedPipeIsSilent(t *testing.T) {
	for _, line := range []string{"version", "explain -o json", "explain TX_NONCE_USED"} {
		var out strings.Builder
		p := &program{in: strings.NewReader(""), out: closedPipe{}, err: &out}
		if code := p.runCommandLine(t.Context(), strings.Fields(line)); code != exitFailed || out.Len() != 0 {
			t.Errorf("%s: exit %d, said %q", line, code, &out)
		}
	}
}

func TestReport(t *testing.T) {
	tests := []struct {
		err  error
		exit int
		want string
	}{
		{nil, 0, ""},
		{newUsageError("no"), 2, "error USAGE: no\nfix: see remora --help\n"},
		{fmt.Errorf("%w: 9", devnet.ErrUsage), 2, "error USAGE: "},
		{fmt.Errorf("%w: 9", node.ErrClockOffset), 2, "error USAGE: "},
		{fmt.Errorf("x: %w", remora.Reject(remora.CodeNonceUsed, "seven")), 1, "error TX_NONCE_USED: x: TX_NONCE_USED: seven\nfix: take the nonce"},
		{&client.Error{Code: client.CodeServerBusy, Message: "later"}, 1, "error SERVER_BUSY: "},
		{fmt.Errorf("x: %w", light.ErrUnverified), 20, "error VERIFICATION_FAILED: "},
		{&exec.Divergence{Height: 3}, 20, "error STATE_DIVERGED: state diverged at block 3"},
		{fmt.Errorf("x: %w", blocksync.ErrMinority), 21, "error STATE_DIVERGED: "},
		{fmt.Errorf("%w: %w", blocksync.ErrMinority, &exec.Divergence{Height: 3}), 21, "error STATE_DIVERGED: "},
		{errors.Join(fmt.Errorf("%w: x", blocksync.ErrMinority), syscall.ENOSPC), 21, "error "},
		{errors.Join(fmt.Errorf("x"), context.Canceled), 1, "error INTERRUPTED: "},
		{withCode("STORY_FAILED", light.ErrUnverified), 1, "error STORY_FAILED: "},
		{errors.New("bell \a and \x1b[31mred\u202e"), 1, "error FAILED: bell ? and ?[31mred?\n"},
		{fmt.Errorf("write: %w", syscall.ENOSPC), 9, "error DISK_FULL: "},
	}
	for _, tt := range tests {
		var out strings.Builder
		p := &program{err: &out}
		if exit := p.printError(tt.err); exit != tt.exit || !strings.HasPrefix(out.String(), tt.want) {
			t.Errorf("%v: exit %d, said %q, want %d and %q", tt.err, exit, &out, tt.exit, tt.want)
		}
	}
}

func TestPublicAddressIsWarnedOf(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false, "": false, "0.0.0.0:1": true, "10.0.0.1:1": true, "node.example:1": true,
	} {
		var out strings.Builder
		conf := &config.Loaded{Config: config.Default()}
		conf.Metrics.Listen = address
		warnPublic(slog.New(slog.NewTextHandler(&out, nil)), conf)
		if got := strings.Contains(out.String(), "level=WARN"); got != want {
			t.Errorf("%q: warned %v", address, got)
		}
	}
}
