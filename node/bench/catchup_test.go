package bench

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/devnet"
)

// TestCatchUp measures how a validator catches up that was down while the others continued: real processes of the program
// in REMORA_CATCHUP, under load before, during and after. It is skipped without that variable.
//
//	REMORA_CATCHUP=$PWD/bin/remora REMORA_CATCHUP_DOWN=10m go test ./node/bench -run TestCatchUp -count=1 -v -timeout 30m
func TestCatchUp(t *testing.T) {
	binary := os.Getenv("REMORA_CATCHUP")
	if binary == "" {
		t.Skip("set REMORA_CATCHUP to the path of the program to measure")
	}
	down, err := time.ParseDuration(os.Getenv("REMORA_CATCHUP_DOWN"))
	if err != nil {
		down = time.Minute
	}
	rate, err := strconv.Atoi(os.Getenv("REMORA_CATCHUP_RATE"))
	if err != nil {
		rate = 2000
	}
	ctx := t.Context()
	net, err := devnet.Up(ctx, devnet.Spec{Home: t.TempDir(), Validators: 4, Epoch: time.Hour, Binary: binary})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := net.Down(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	targets, err := connectTargets(net)
	if err != nil {
		t.Fatal(err)
	}
	status, err := net.Status()
	if err != nil {
		t.Fatal(err)
	}
	name := status.Nodes[3].Name
	if err := net.Kill(ctx, name); err != nil {
		t.Fatal(err)
	}
	const size = 512
	loading, stop := context.WithCancel(ctx)
	l := &load{size: size, ledger: newLedger(4, window{from: time.Now(), to: time.Now().Add(24 * time.Hour)})}
	ended := make(chan struct{})
	go func() { defer close(ended); l.driveOpenLoop(loading, targets[:3], rate) }()
	defer func() { stop(); <-ended }()
	devnet.Pause(ctx, down)
	behind := height(t, targets[0].client)
	began := time.Now()
	if err := net.Start(ctx, name); err != nil {
		t.Fatal(err)
	}
	answers := time.Since(began)
	status, err = net.Status()
	if err != nil {
		t.Fatal(err)
	}
	back := status.Nodes[3].Pid
	first := height(t, targets[3].client)
	for {
		mine, theirs := height(t, targets[3].client), height(t, targets[0].client)
		if mine+20 >= theirs {
			took := time.Since(began)
			bytes := float64(rate*size) * (down + took).Seconds()
			used := readUsage(back)
			t.Logf("down %s at %d tx/s of %d B: %d blocks behind; answered after %.1f s (at height %d), caught up at %d after %.1f s: %.0f blocks/s, %.0f tx/s, %.1f MB/s; CPU %.1f s, RSS %.0f MiB",
				down, rate, size, behind-first, answers.Seconds(), first, mine, took.Seconds(), float64(mine-first)/took.Seconds(),
				bytes/size/took.Seconds(), bytes/took.Seconds()/1e6, used.cpu, used.rss)
			break
		}
		devnet.Pause(ctx, 50*time.Millisecond)
	}
	devnet.Pause(ctx, 5*time.Second)
	mine, theirs := height(t, targets[3].client), height(t, targets[0].client)
	t.Logf("5 s later: height %d of %d", mine, theirs)
	at := min(mine, theirs)
	ours, err := targets[3].client.Block(ctx, at)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := targets[0].client.Block(ctx, at); err != nil || ours.Hash != other.Hash || mine+50 < theirs {
		t.Errorf("block %d is %s and %s, %v", at, ours.Hash, other.Hash, err)
	}
}

func height(t *testing.T, c *client.Client) remora.Height {
	t.Helper()
	s, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Height
}
