package sim

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/remora-network/remora"
)

// plan has a fault begin and end at its times.
func (w *world) plan(f *Fault) {
	w.at(f.At, func() { w.begin(f) })
	if f.Until > 0 && f.Kind != Crash && f.Kind != Wipe && f.Kind != Rollback { // those plan their own ends
		w.at(f.Until, func() { w.end(f) })
	}
}

func (w *world) begin(f *Fault) {
	switch f.Kind {
	case Crash:
		w.nodes[f.Node].condemn(f)
	case Wipe:
		w.nodes[f.Node].wipe(f)
	case Rollback:
		backup, height := w.nodes[f.Node].disk.whole(), w.check.members[f.Node].height
		w.at(f.Until, func() { w.nodes[f.Node].restore(backup, height, f.At) })
	case Slow:
		w.network.slow[f.Node] *= f.Factor
	case DiskFull:
		w.nodes[f.Node].disk.fill()
	case Clock:
		w.nodes[f.Node].offset += f.Offset
	case Partition:
		w.network.partitions = append(w.network.partitions, f)
	case OneWay:
		w.network.oneWay = append(w.network.oneWay, f)
	case Byzantine:
		w.corrupt(f)
	}
}

func (w *world) end(f *Fault) {
	same := func(g *Fault) bool { return g == f }
	switch f.Kind {
	case Crash, Wipe, Rollback:
	case Slow:
		w.network.slow[f.Node] /= f.Factor
	case DiskFull:
		w.nodes[f.Node].makeRoom()
	case Clock:
		w.nodes[f.Node].offset -= f.Offset
	case Partition:
		w.network.partitions = slices.DeleteFunc(w.network.partitions, same)
	case OneWay:
		w.network.oneWay = slices.DeleteFunc(w.network.oneWay, same)
	case Byzantine:
		w.convert(f)
	}
}

// corrupt makes a validator Byzantine.
func (w *world) corrupt(f *Fault) {
	v := w.nodes[f.Node]
	if f.Behaviour != Twin {
		v.actor = newActor(v, f.Behaviour)
		return
	}
	if !v.up {
		return
	}
	twin := newValidator(w, v.self)
	twin.twin, twin.disk = true, v.disk.whole()
	w.twins = append(w.twins, twin)
	twin.start()
}

// convert ends a behaviour.
func (w *world) convert(f *Fault) {
	if f.Behaviour != Twin {
		w.nodes[f.Node].actor = nil
		return
	}
	for _, v := range w.twins {
		if v.self == f.Node {
			v.stop()
		}
	}
}

// condemn crashes the process now or at the next point that the fault names.
func (v *validator) condemn(f *Fault) {
	if !v.up || v.doom != nil {
		return
	}
	if v.doom = f; f.Point == Idle {
		v.crash()
	}
}

// dies crashes the process if it is its time to die there, and reports whether it did.
func (v *validator) dies(p Point) bool {
	if v.doom == nil || v.doom.Point != p {
		return false
	}
	v.crash()
	return true
}

func (v *validator) crash() {
	f, w := v.doom, v.world
	w.trace.add(w.now, ends, v.self, v.self, remora.Hash{})
	w.check.crashes++
	v.crashed = true
	image := v.disk.crash(w.disks)
	if f.Keep {
		image = v.disk.whole()
	}
	v.stop()
	v.disk = image
	v.returns(f.Until)
}

// wipe ends the process and takes its disk away.
func (v *validator) wipe(f *Fault) {
	w := v.world
	w.trace.add(w.now, ends, v.self, v.self, remora.Hash{})
	w.check.crashes++
	w.check.forget(v.self, 0, 0)
	v.crashed = true
	v.stop()
	v.disk = newDisk(w.disks.Uint64(), &w.values)
	v.returns(f.Until)
}

// restore ends the process and starts one on an older disk, which had executed blocks up to a height.
func (v *validator) restore(backup disk, height remora.Height, from time.Duration) {
	w := v.world
	w.trace.add(w.now, ends, v.self, v.self, remora.Hash{})
	w.check.crashes++
	w.check.forget(v.self, height, from)
	v.crashed = true
	v.stop()
	v.disk = backup
	v.start()
}

// returns has a process start again at a time; zero: never.
func (v *validator) returns(at time.Duration) {
	if at == 0 {
		return
	}
	v.world.at(at, func() {
		if !v.up {
			v.start()
		}
	})
}

// makeRoom ends a full disk. A process that could not write has ended, and starts again.
func (v *validator) makeRoom() {
	v.disk.heal()
	if v.full {
		v.full = false
		v.start()
	}
}

// stopFull ends a process that found the disk full: nothing of what it wrote before is lost.
func (v *validator) stopFull() {
	w := v.world
	w.trace.add(w.now, ends, v.self, v.self, remora.Hash{})
	image := v.disk.whole()
	v.stop()
	v.disk = image
	v.disk.fill()
	v.full, v.crashed = true, true
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }
