package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of CPU times in /proc on every Linux of today (sysconf _SC_CLK_TCK).
const ticksPerSecond = 100

// process is a process whose use of the machine is read from /proc.
type process struct{ pid int }

// usage is what a process has used so far.
type usage struct {
	cpu float64 // seconds
	rss float64 // MiB, at most
}

// read returns the usage, zero when the process is gone.
func (p *process) read() usage {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return usage{}
	}
	// The fields after the command, which stands in parentheses and may hold anything: state is the first of them,
	// user and system time are the 12th and 13th.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return usage{}
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return usage{cpu: (user + system) / ticksPerSecond, rss: p.peak()}
}

func (p *process) peak() float64 {
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

// measure reads the validators' usage, and this process's as the last.
func measure(targets []*target) []usage {
	used := make([]usage, 0, len(targets)+1)
	for _, t := range targets {
		used = append(used, t.process.read())
	}
	return append(used, (&process{pid: os.Getpid()}).read())
}

// spend enters what the validators used between two measurements.
func (r *Report) spend(before, after []usage) {
	validators := len(after) - 1
	for i := range validators {
		r.CPUSeconds += after[i].cpu - before[i].cpu
		r.RSSMiB = max(r.RSSMiB, after[i].rss)
	}
	r.LoaderCPU = after[validators].cpu - before[validators].cpu
}
