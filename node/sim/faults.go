package sim

import (
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/remora-network/remora"
)

// planFault has a fault begin and end at its times.
func (w *world) planFault(f *Fault) {
	w.runAt(f.At, func() { w.beginFault(f) })
	if f.Until > 0 && f.Kind != Crash && f.Kind != Wipe && f.Kind != Rollback { // those plan their own ends
		w.runAt(f.Until, func() { w.endFault(f) })
	}
}

func (w *world) beginFault(f *Fault) {
	switch f.Kind {
	case Crash:
		w.nodes[f.Node].planCrash(f)
	case Wipe:
		w.nodes[f.Node].wipeDisk(f)
	case Rollback:
		backup, height := w.nodes[f.Node].disk.wholeImage(), w.check.members[f.Node].height
		w.runAt(f.Until, func() {
			w.nodes[f.Node].loseDisk(backup, height, f.At)
			w.nodes[f.Node].startProcess()
		})
	case Slow:
		w.network.slow[f.Node] *= f.Factor
	case DiskFull:
		w.nodes[f.Node].disk.fillUp()
	case Clock:
		w.nodes[f.Node].offset += f.Offset
	case Partition:
		w.network.partitions = append(w.network.partitions, f)
	case OneWay:
		w.network.oneWay = append(w.network.oneWay, f)
	case Byzantine:
		w.corruptValidator(f)
	}
}

func (w *world) endFault(f *Fault) {
	same := func(g *Fault) bool { return g == f }
	switch f.Kind {
	case Crash, Wipe, Rollback:
	case Slow:
		w.network.slow[f.Node] /= f.Factor
	case DiskFull:
		w.nodes[f.Node].endDiskFull()
	case Clock:
		w.nodes[f.Node].offset -= f.Offset
	case Partition:
		w.network.partitions = slices.DeleteFunc(w.network.partitions, same)
	case OneWay:
		w.network.oneWay = slices.DeleteFunc(w.network.oneWay, same)
	case Byzantine:
		w.convertValidator(f)
	}
}

// corruptValidator makes a validator Byzantine.
func (w *world) corruptValidator(f *Fault) {
	v := w.nodes[f.Node]
	if f.Behaviour != Twin {
		v.actor = newActor(v, f.Behaviour)
		return
	}
	if !v.up {
		return
	}
	twin := newHost(w, v.self)
	twin.twin, twin.disk = true, v.disk.wholeImage()
	w.twins = append(w.twins, twin)
	twin.startProcess()
}

// convertValidator ends a behaviour.
func (w *world) convertValidator(f *Fault) {
	if f.Behaviour != Twin {
		w.nodes[f.Node].actor = nil
		return
	}
	for _, v := range w.twins {
		if v.self == f.Node {
			v.stopProcess()
		}
	}
}

// planCrash crashes the process now or at the next point that the fault names.
func (v *host) planCrash(f *Fault) {
	if !v.up || v.doom != nil {
		return
	}
	if v.doom = f; f.Point == Idle {
		v.crashProcess()
	}
}

// crashesAt crashes the process if it is its time to die there, and reports whether it did.
func (v *host) crashesAt(p Point) bool {
	if v.doom == nil || v.doom.Point != p {
		return false
	}
	v.crashProcess()
	return true
}

func (v *host) crashProcess() {
	f, w := v.doom, v.world
	image := v.disk.crashImage(w.disks)
	if f.Keep {
		image = v.disk.wholeImage()
	}
	v.killProcess(image)
	w.check.Crashes++
	v.restartAt(f.Until)
}

// killProcess ends the process; the next one finds the image of a disk.
func (v *host) killProcess(image disk) {
	w := v.world
	w.trace.addEvent(w.now, ends, v.self, v.self, remora.Hash{})
	v.crashed = true
	v.stopProcess()
	v.disk = image
}

// wipeDisk ends the process and takes its disk away.
func (v *host) wipeDisk(f *Fault) {
	w := v.world
	empty := newDisk(w.disks.Uint64(), &w.values)
	empty.record = nil
	v.loseDisk(empty, 0, 0)
	v.restartAt(f.Until)
}

// loseDisk ends the process and leaves another disk, which holds what it did at a height and a time.
func (v *host) loseDisk(other disk, height remora.Height, from time.Duration) {
	v.killProcess(other)
	v.world.check.Crashes++
	v.world.check.forgetDisk(v.self, height, from)
}

// restartAt has a process start again at a time; zero: never.
func (v *host) restartAt(at time.Duration) {
	if at == 0 {
		return
	}
	v.world.runAt(at, func() {
		if !v.up {
			v.startProcess()
		}
	})
}

// endDiskFull ends a full disk. A process that could not write has ended, and starts again.
func (v *host) endDiskFull() {
	v.disk.makeRoom()
	if v.full {
		v.full = false
		v.startProcess()
	}
}

// stopDiskFull ends a process that found the disk full: nothing of what it wrote before is lost.
func (v *host) stopDiskFull() {
	v.killProcess(v.disk.wholeImage())
	v.disk.fillUp()
	v.full = true
}

func isDiskFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }
