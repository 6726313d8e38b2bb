package sim

import (
	"math/rand/v2"
	"time"

	"github.com/remora-network/remora"
)

const millisecond = time.Millisecond

// sizes of committees, by their share. A run of twenty costs as much as thirty of four.
var sizes = []int{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 7, 7, 7, 7, 10}

// Random returns a scenario full of faults that the protocol must survive: everything temporary ends before the network
// is timely, and at no time more than a third of the stake is Byzantine, without its disk or gone forever. It is a
// function of the seed. With n = 0 the seed chooses the number of validators too, most often four.
func Random(seed uint64, n int) Scenario {
	r := rand.New(rand.NewPCG(seed, 99))
	if n == 0 {
		n = sizes[r.IntN(len(sizes))]
		if r.IntN(200) == 0 {
			n = 20
		}
	}
	g := generator{rand: r, n: n, faults: (n - 1) / 3, s: Scenario{
		Validators: n, Seed: seed, Duration: 5500 * millisecond, GST: 1700 * millisecond, TxPerSecond: 5 + r.IntN(30),
		GCDepth: []remora.Round{50, 50, 10, 6}[r.IntN(4)], EpochBlocks: []remora.Height{0, 0, 5}[r.IntN(3)],
		Served: []time.Duration{time.Minute, time.Second}[r.IntN(2)], Grace: 3200 * millisecond,
		Network: Network{
			Latency: [][2]time.Duration{{5 * millisecond, 40 * millisecond}, {20 * millisecond, 50 * millisecond}, {2 * millisecond, 90 * millisecond}}[r.IntN(3)],
		},
	}}
	if r.IntN(3) > 0 {
		g.s.Network.Drop, g.s.Network.Duplicate = float64(r.IntN(10))/100, float64(r.IntN(10))/100
	}
	if r.IntN(16) == 0 && g.faults > 0 {
		g.addRollback()
	} else {
		for range r.IntN(5) {
			g.addFault()
		}
	}
	return g.s.WithDefaults()
}

// minRollback is the shortest rollback of a disk, some rounds long. A loss within one round leaves no certificate
// that shows it, so it could not be noticed.
const minRollback = 800 * millisecond

// generator draws faults. The adversary's validators are the last ones, so that what is asked of the others is known.
type generator struct {
	rand   *rand.Rand
	n      int
	faults int // how many more validators the adversary may have, or may lose their disks
	s      Scenario
}

func (g *generator) drawValidator() remora.Authority { return remora.Authority(g.rand.IntN(g.n)) }

// drawInterval returns a time before GST and a later one that is not after it.
func (g *generator) drawInterval() (at, until time.Duration) {
	whole := int(g.s.GST / millisecond)
	from := g.rand.IntN(whole - 1)
	return time.Duration(from) * millisecond, time.Duration(from+1+g.rand.IntN(whole-from)) * millisecond
}

func (g *generator) addRollback() {
	at := time.Duration(g.rand.IntN(int((g.s.GST-minRollback)/millisecond))) * millisecond
	g.s.Faults = []Fault{{Kind: Rollback, Node: g.drawValidator(), At: at, Until: at + minRollback}}
}

func (g *generator) addFault() {
	f := Fault{}
	f.At, f.Until = g.drawInterval()
	switch g.rand.IntN(10) {
	case 0, 1:
		f.Kind, f.Node, f.Point, f.Keep = Crash, g.drawValidator(), Point(g.rand.IntN(3)), g.rand.IntN(2) == 0
	case 2:
		for a := range g.n {
			g.s.Faults = append(g.s.Faults, Fault{
				Kind: Crash, At: f.At, Until: f.Until, Node: remora.Authority(a), Point: Point(g.rand.IntN(3)), Keep: g.rand.IntN(2) == 0,
			})
		}
		return
	case 3:
		f.Kind, f.Groups = Partition, g.drawGroups()
	case 4:
		f.Kind, f.From = OneWay, g.drawValidator()
		f.To = (f.From + 1 + remora.Authority(g.rand.IntN(max(g.n-1, 1)))) % remora.Authority(g.n)
	case 5:
		f.Kind, f.Node, f.Factor = Slow, g.drawValidator(), float64(2+g.rand.IntN(9))
	case 6:
		f.Kind, f.Node = DiskFull, g.drawValidator()
	case 7:
		f.Kind, f.Node = Clock, g.drawValidator()
		f.Offset = []time.Duration{time.Hour, -time.Hour, 87600 * time.Hour, -87600 * time.Hour}[g.rand.IntN(4)]
	case 8, 9:
		if g.faults == 0 {
			return
		}
		g.faults--
		f.Node = remora.Authority(g.n - 1 - g.faults)
		if f.Kind = Wipe; g.rand.IntN(3) > 0 {
			f.Kind, f.Behaviour = Byzantine, Behaviours[g.rand.IntN(len(Behaviours))]
			if g.rand.IntN(2) == 0 {
				f.Until = 0
			}
		}
	}
	if f.Kind == OneWay && f.From == f.To {
		return
	}
	g.s.Faults = append(g.s.Faults, f)
}

// drawGroups splits the validators in two.
func (g *generator) drawGroups() [][]remora.Authority {
	groups := make([][]remora.Authority, 2)
	for a := range g.n {
		side := g.rand.IntN(2)
		groups[side] = append(groups[side], remora.Authority(a))
	}
	return groups
}
