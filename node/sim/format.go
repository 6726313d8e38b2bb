package sim

import (
	"bytes"
	"fmt"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/remora-network/remora"
)

// Format writes a scenario as a file that Parse reads back.
func Format(s Scenario) ([]byte, error) {
	var out bytes.Buffer
	if err := toml.NewEncoder(&out).SetArraysMultiline(false).Encode(fileOf(s.WithDefaults())); err != nil {
		return nil, fmt.Errorf("format the scenario: %w", err)
	}
	return out.Bytes(), nil
}

func fileOf(s Scenario) scenarioFile {
	f := scenarioFile{
		Validators: s.Validators, Seed: int64(s.Seed), Rule: s.Rule, Signatures: s.Signatures,
		DurationMS: s.Duration.Milliseconds(), GSTMS: s.GST.Milliseconds(), TxPerSecond: s.TxPerSecond, GCDepth: int64(s.GCDepth),
		EpochBlocks: int64(s.EpochBlocks), ServedMS: s.Served.Milliseconds(), GraceMS: s.Grace.Milliseconds(),
		Network: networkFile{
			LatencyMS: []int64{s.Network.Latency[0].Milliseconds(), s.Network.Latency[1].Milliseconds()},
			Cities:    s.Network.Cities, Drop: s.Network.Drop, Duplicate: s.Network.Duplicate,
		},
	}
	for _, stake := range s.Stake {
		f.Stake = append(f.Stake, int64(stake))
	}
	for i := range s.Faults {
		f.Fault = append(f.Fault, formatFault(&s.Faults[i]))
	}
	return f
}

func formatFault(f *Fault) faultFile {
	out := faultFile{Kind: string(f.Kind), AtMS: f.At.Milliseconds(), UntilMS: f.Until.Milliseconds()}
	number := func(a remora.Authority) *int64 { n := int64(a); return &n }
	switch f.Kind {
	case Partition:
		for _, group := range f.Groups {
			members := []int64{}
			for _, a := range group {
				members = append(members, int64(a))
			}
			out.Groups = append(out.Groups, members)
		}
		return out
	case OneWay:
		out.From, out.To = number(f.From), number(f.To)
		return out
	case Crash:
		if out.Keep = f.Keep; f.Point != Idle {
			out.Point = points[f.Point]
		}
	case Slow:
		out.Factor = &f.Factor
	case Clock:
		offset := int64(f.Offset / time.Millisecond)
		out.OffsetMS = &offset
	case Byzantine:
		out.Behaviour = string(f.Behaviour)
	case Wipe, Rollback, DiskFull:
	}
	out.Node = number(f.Node)
	return out
}
