package p2p

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BenchmarkBroadcast sends one 500 kB frame to three peers per operation, all in this process: MB/s counts every copy.
func BenchmarkBroadcast(b *testing.B) {
	nodes := startAll(b, committee(b, 4))
	eventually(b, "mesh", meshed(nodes...))
	frame := make([]byte, 500_000)
	b.SetBytes(int64(3 * len(frame)))
	b.ResetTimer()
	before := cpu(b)
	var readers sync.WaitGroup
	for _, to := range nodes[1:] {
		readers.Go(func() {
			for range b.N {
				<-to.Receive("batch")
			}
		})
	}
	for range b.N {
		for _, to := range nodes[1:] {
			push(b.Context(), nodes[0], to.ID(), "batch", frame)
		}
	}
	readers.Wait()
	b.ReportMetric((cpu(b)-before).Seconds()/(float64(b.N)*3*float64(len(frame))/1e9), "cpu-s/GB")
}

// cpu returns the processor time that this process has used, which tells more than the clock on a shared machine.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// push sends, waiting while the queue is full and the context lives.
func push(ctx context.Context, from *node, to, channel string, frame []byte) {
	if from.Send(to, channel, frame) {
		return
	}
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for ctx.Err() == nil && !from.Send(to, channel, frame) {
		<-tick.C
	}
}

// BenchmarkRoundTrip sends 512 B to a peer that sends it back, on idle links and while bulk frames fill the same link.
func BenchmarkRoundTrip(b *testing.B) {
	for _, load := range []string{"idle", "under bulk"} {
		b.Run(load, func(b *testing.B) {
			nodes := startAll(b, committee(b, 2))
			eventually(b, "mesh", meshed(nodes...))
			var group sync.WaitGroup
			ctx, cancel := context.WithCancel(context.Background())
			group.Go(func() {
				for m := range nodes[1].Receive("dag") {
					nodes[1].Send(m.Peer, "dag", m.Payload)
				}
			})
			group.Go(func() {
				for range nodes[1].Receive("batch") {
				}
			})
			if load != "idle" {
				group.Go(func() {
					frame := make([]byte, 500_000)
					for ctx.Err() == nil {
						push(ctx, nodes[0], nodes[1].ID(), "batch", frame)
					}
				})
			}
			frame := make([]byte, 512)
			times := make([]time.Duration, 0, b.N)
			b.ResetTimer()
			for range b.N {
				began := time.Now()
				nodes[0].Send(nodes[1].ID(), "dag", frame)
				<-nodes[0].Receive("dag")
				times = append(times, time.Since(began))
			}
			b.StopTimer()
			bulk := nodes[1].link(b, nodes[0].ID(), "batch").BytesReceived
			b.ReportMetric(float64(bulk)/1e6/b.Elapsed().Seconds(), "bulk-MB/s")
			cancel()
			nodes[1].stop(b)
			group.Wait()
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkSmallFrames sends 512 B frames to one peer.
func BenchmarkSmallFrames(b *testing.B) {
	nodes := startAll(b, committee(b, 2))
	eventually(b, "mesh", meshed(nodes...))
	frame := make([]byte, 512)
	b.SetBytes(512)
	b.ReportAllocs()
	b.ResetTimer()
	var reader sync.WaitGroup
	reader.Go(func() {
		for range b.N {
			<-nodes[1].Receive("dag")
		}
	})
	for range b.N {
		push(b.Context(), nodes[0], nodes[1].ID(), "dag", frame)
	}
	reader.Wait()
}

// BenchmarkRequest asks for 512 B with a stream of its own each time.
func BenchmarkRequest(b *testing.B) {
	configs := committee(b, 2)
	configs[1].Serve = map[string]Handler{"echo": echo}
	nodes := startAll(b, configs)
	eventually(b, "mesh", meshed(nodes...))
	request := make([]byte, 512)
	b.ResetTimer()
	for range b.N {
		if _, err := nodes[0].Request(context.Background(), nodes[1].ID(), "echo", request, 1000); err != nil {
			b.Fatal(err)
		}
	}
}
