package chaos_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/chaos"
)

// exitDiskFull is the exit code of a validator whose disk is full.
const exitDiskFull = 9

// enclosed runs a test in a lab: this program again, with only this test.
func enclosed(t *testing.T, tools []string, test func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	if chaos.InLab() {
		if err := chaos.EnterLab(); err != nil {
			t.Fatal(err)
		}
		test(ctx)
		return
	}
	if *cycles == 0 {
		t.Skip("takes long: make chaos runs it")
	}
	if os.Geteuid() != 0 {
		t.Skip("namespaces and mounts take root")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: %v", tool, err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	lab := chaos.Lab(ctx, "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v",
		fmt.Sprintf("-cycles=%d", *cycles), fmt.Sprintf("-seed=%d", *seed), "-remora="+*binary)
	out, err := lab.CombinedOutput()
	if t.Logf("in the lab:\n%s", out); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatal("the test failed in the lab: ", err)
	}
}

// Links lose packets, are narrow, fail in one direction and in both: a connected quorum makes progress, others do not,
// and all agree when the links work again.
func TestLinks(t *testing.T) {
	enclosed(t, []string{"ip", "tc", "nft"}, func(ctx context.Context) {
		wires, err := chaos.NewWires()
		if err != nil {
			t.Fatal(err)
		}
		r := start(ctx, t, chaos.Options{Epoch: 4 * time.Second, Hosts: wires.Hosts(), Launch: wires.Launch()}, chaos.DefaultLoad(*seed))
		for _, weather := range []struct {
			name   string
			fault  func() error
			moving []int // who has to execute something new meanwhile
		}{
			{"loss of 10 %", func() error { return wires.Lose(10) }, chaos.All()},
			{"5 Mbit/s", func() error { return wires.Limit(5) }, chaos.All()},
			{"a minority of one", func() error { return wires.Partition([]int{0, 1, 2}, []int{3}) }, []int{0, 1, 2}},
			{"deaf to one", func() error { return wires.Deafen(1, 0) }, []int{0, 2, 3}},
			{"halves", func() error { return wires.Partition([]int{0, 1}, []int{2, 3}) }, nil},
			{"everybody alone", func() error { return wires.Partition() }, nil},
		} {
			begin := time.Now()
			r.must(weather.fault())
			if weather.moving != nil {
				r.reach(ctx, weather.name, long, weather.moving)
			} else {
				r.must(r.AwaitStandstill(ctx, 10*time.Second))
			}
			healed := time.Now()
			r.must(wires.Heal())
			r.reach(ctx, "after "+weather.name, 5, chaos.All())
			t.Logf("%s: %.1f s, all go on %.1f s after it", weather.name, healed.Sub(begin).Seconds(), time.Since(healed).Seconds())
		}
		r.verify(ctx)
	})
}

// long is more blocks than the DAG's window holds: a validator that missed them has to sync certified blocks.
const long = 60

// reach waits until validators execute new blocks.
func (r *run) reach(ctx context.Context, when string, blocks remora.Height, validators []int) {
	r.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := r.Progress(ctx, blocks, validators...); err != nil {
		r.Fatalf("%s: %v", when, err)
	}
}

// A full disk stops a validator with its own exit code and loses nothing: with free space it continues where it was.
func TestFullDisk(t *testing.T) {
	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			enclosed(t, []string{"mkfs.ext4", "losetup", "fallocate"}, func(ctx context.Context) {
				const victim = 3
				load := chaos.DefaultLoad(*seed)
				load.Size = 16 << 10
				r := start(ctx, t, chaos.Options{Epoch: 4 * time.Second}, load)
				r.must(r.Stop(ctx, victim))
				disk, err := r.MoveToSmallDisk(victim, kind)
				r.must(err)
				t.Cleanup(func() { r.must(disk.Detach()) })
				r.must(r.Start(ctx, victim))
				if code, err := disk.ExitCode(ctx); err != nil || code != exitDiskFull {
					t.Fatalf("it ended with exit code %d, %v", code, err)
				}
				r.reach(ctx, "without the full one", long, []int{0, 1, 2})
				r.must(disk.MakeRoom())
				r.must(r.Start(ctx, victim))
				r.reach(ctx, "with room again", 5, chaos.All())
				if err := r.CheckLogs(); err == nil || !strings.Contains(err.Error(), "error DISK_FULL") {
					t.Errorf("the log does not say it: %v", err)
				}
				r.verify(ctx, "error DISK_FULL")
			})
		})
	}
}
