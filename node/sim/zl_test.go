package sim
import ("testing";"time";"math/rand/v2";"github.com/remora-network/remora")
func loops(seed uint64) Scenario {
	r := rand.New(rand.NewPCG(seed, 98))
	s := base(seed)
	s.Duration, s.GST, s.Grace, s.TxPerSecond, s.GCDepth = 7*time.Second, 3500*ms, 2500*ms, 150, 6
	for at := time.Duration(0); at < 3*time.Second; at += time.Duration(50+r.IntN(200)) * ms {
		until := at+time.Duration(r.IntN(150))*ms
		if r.IntN(6) == 0 { s.Crashes = append(s.Crashes, everyone(at, until, Point(r.IntN(3)), r.IntN(2) == 0)...); continue }
		s.Crashes = append(s.Crashes, Crash{Node: remora.Authority(r.IntN(4)), At: at, Until: until, Point: Point(r.IntN(3)), Keep: r.IntN(2) == 0})
	}
	return s
}
func TestZL(t *testing.T) {
	t0 := time.Now()
	for seed := uint64(0); seed < 60; seed++ {
		r := mustRun(t, loops(seed))
		if r.Verdict != Pass { t.Log(seed, r.Verdict, r.Blocks, r.Crashes, r.Violations[0]) }
	}
	t.Log(time.Since(t0))
}
