package sim

import (
	"testing"
	"time"
	"math/rand/v2"
	"os"
	"strconv"
	"github.com/remora-network/remora"
)

func zwild(seed uint64) Scenario {
	r := rand.New(rand.NewPCG(seed, 77))
	n := []int{4, 4, 5, 7}[r.IntN(4)]
	lo := time.Duration(1+r.IntN(20)) * ms
	s := Scenario{Validators: n, Seed: seed, Duration: 24 * time.Second, GST: 12*time.Second, TxPerSecond: []int{0,20,200}[r.IntN(3)], Grace: 8 * time.Second,
		Latency: [2]time.Duration{lo, lo+time.Duration(r.IntN(150))*ms},
		Drop: r.Float64()*0.3, Duplicate: r.Float64()*0.3, GCDepth: []remora.Round{4, 6,10,50}[r.IntN(4)],
		Served: []time.Duration{time.Minute, time.Second, 200*ms}[r.IntN(3)], Epoch: []time.Duration{time.Hour, 700 * ms, 3*time.Second}[r.IntN(3)]}
	gap := []int{300, 1000, 4000}[r.IntN(3)]
	down := []int{100, 1000, 5000}[r.IntN(3)]
	for at := time.Duration(0); at < 11*time.Second; at += time.Duration(r.IntN(gap)) * ms {
		until, point := at+time.Duration(r.IntN(down))*ms, Point(r.IntN(3))
		if until > 12*time.Second { until = 12*time.Second }
		if r.IntN(5) == 0 {
			for i := range n { s.Crashes = append(s.Crashes, Crash{Node: remora.Authority(i), At: at, Until: until, Point: point, Keep: r.IntN(2)==0}) }
			continue
		}
		s.Crashes = append(s.Crashes, Crash{Node: remora.Authority(r.IntN(n)), At: at, Until: until, Point: point, Keep: r.IntN(2) == 0})
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
		sc := zwild(seed)
		r, err := Run(sc)
		if err != nil { t.Fatal(err) }
		bad[r.Verdict]++
		tot.Crashes += r.Crashes; tot.Synced += r.Synced; tot.Accepted+=r.Accepted; tot.Executed += r.Executed
		tot.Entries = max(tot.Entries, r.Entries)
		if r.Verdict != Pass && bad[r.Verdict] < 12 {
			t.Logf("seed %d %s n %d tx %d lat %v drop %.2f epoch %v served %v gc %v crashes %d: blocks %d synced %d", seed, r.Verdict, sc.Validators, sc.TxPerSecond, sc.Latency, sc.Drop, sc.Epoch, sc.Served, sc.GCDepth, r.Crashes, r.Blocks, r.Synced)
			for i, v := range r.Violations { if i < 3 { t.Log("   ", v) } }
		}
	}
	t.Log(time.Since(t0), bad, tot)
}

func TestZY(t *testing.T) {
	for _, seed := range []uint64{23, 27} {
		for _, e := range []time.Duration{700*ms, 3*time.Second} {
		sc := zwild(seed); sc.Duration = 40*time.Second; sc.Grace = 8*time.Second; sc.Epoch = e
		r, err := Run(sc)
		t.Log(err, e, r.Verdict, r.Blocks, r.Accepted, r.Executed, r.Violations)
		}
	}
}
