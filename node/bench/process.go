package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/remora-network/remora/node/devnet"
)

// usage is a process's usage so far.
type usage struct {
	cpu float64 // seconds
	rss float64 // MiB, the peak
}

// readUsage returns the usage of a process, zero if it is gone.
func readUsage(pid int) usage {
	used, err := devnet.CPUTime(pid)
	if err != nil {
		return usage{}
	}
	return usage{cpu: used.Seconds(), rss: peakMemory(pid)}
}

func peakMemory(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// measureUsage returns the validators' usage, followed by that of this process.
func measureUsage(targets []*target) []usage {
	used := make([]usage, 0, len(targets)+1)
	for _, t := range targets {
		used = append(used, readUsage(t.pid))
	}
	return append(used, readUsage(os.Getpid()))
}

// addUsage adds the usage between two calls of measureUsage.
func (r *Measurement) addUsage(before, after []usage) {
	validators := len(after) - 1
	for i := range validators {
		r.CPUSeconds += after[i].cpu - before[i].cpu
		r.RSSMiB = max(r.RSSMiB, after[i].rss)
	}
	r.LoaderCPU = after[validators].cpu - before[validators].cpu
}
