package sim

import (
	"github.com/remora-network/remora"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

func zstorm(seed uint64) Scenario {
	r := rand.New(rand.NewPCG(seed, 99))
	s := Scenario{Seed: seed, Duration: 8 * time.Second, GST: 4 * time.Second, TxPerSecond: 50, Grace: 2 * time.Second,
		Drop: r.Float64() * 0.1, Duplicate: r.Float64() * 0.1}
	if r.IntN(2) == 0 {
		s.GCDepth = 10
	}
	if r.IntN(2) == 0 {
		s.Served = time.Second
	}
	if os.Getenv("LONG") != "" {
		s.GCDepth = 6
		s.Duration = 12 * time.Second
		s.GST = 6 * time.Second
		s.Served = time.Second
		a := time.Duration(r.IntN(2000)) * time.Millisecond
		x := r.IntN(4)
		s.Crashes = append(s.Crashes, Crash{Node: remora.Authority(x), At: a, Until: a + time.Duration(2000+r.IntN(2000))*time.Millisecond})
		if r.IntN(2) == 0 {
			b := a + 4200*time.Millisecond
			for n := range 4 {
				s.Crashes = append(s.Crashes, Crash{Node: remora.Authority(n), At: b, Until: b + time.Duration(r.IntN(400))*time.Millisecond, Point: Point(r.IntN(3)), Keep: r.IntN(2) == 0})
			}
		}
		return s
	}
	at := time.Duration(0)
	for at < 3500*time.Millisecond {
		at += time.Duration(r.IntN(800)) * time.Millisecond
		down := time.Duration(r.IntN(700)) * time.Millisecond
		p := Point(r.IntN(3))
		if r.IntN(3) == 0 {
			for n := range 4 {
				s.Crashes = append(s.Crashes, Crash{Node: remora.Authority(n), At: at, Until: at + down + time.Duration(r.IntN(200))*time.Millisecond, Point: p, Keep: r.IntN(2) == 0})
			}
			continue
		}
		s.Crashes = append(s.Crashes, Crash{Node: remora.Authority(r.IntN(4)), At: at, Until: at + down, Point: p, Keep: r.IntN(2) == 0})
	}
	return s
}

func TestZZ(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("N"))
	from, _ := strconv.Atoi(os.Getenv("FROM"))
	t0 := time.Now()
	bad := map[string]int{}
	tot := Report{}
	for seed := uint64(from); seed < uint64(from+n); seed++ {
		sc := zstorm(seed)
		r, err := Run(sc)
		if err != nil {
			t.Fatal(err)
		}
		bad[r.Verdict]++
		tot.Crashes += r.Crashes
		tot.Synced += r.Synced
		tot.Accepted += r.Accepted
		tot.Executed += r.Executed
		tot.Entries = max(tot.Entries, r.Entries)
		if r.Verdict != Pass && bad[r.Verdict] < 6 {
			t.Logf("seed %d %s epoch %v served %v gc %v: blocks %d", seed, r.Verdict, sc.Epoch, sc.Served, sc.GCDepth, r.Blocks)
			for i, v := range r.Violations {
				if i < 3 {
					t.Log("   ", v)
				}
			}
		}
	}
	t.Log(time.Since(t0), bad, tot)
}
