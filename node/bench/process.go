package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of CPU times in /proc on every present Linux (sysconf _SC_CLK_TCK).
const ticksPerSecond = 100

// process is a process whose usage is read from /proc.
type process struct{ pid int }

// usage is a process's usage so far.
type usage struct {
	cpu float64 // seconds
	rss float64 // MiB, the peak
}

// readUsage returns the usage, zero if the process is gone.
func (p *process) readUsage() usage {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return usage{}
	}
	// The command stands in parentheses and may hold any character; user and system time are the 12th and 13th field
	// behind it.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return usage{}
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return usage{cpu: (user + system) / ticksPerSecond, rss: p.peakMemory()}
}

func (p *process) peakMemory() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
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
		used = append(used, t.process.readUsage())
	}
	return append(used, (&process{pid: os.Getpid()}).readUsage())
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
