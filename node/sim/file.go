package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/remora-network/remora"
)

// MaxScenarioBytes bounds a scenario file.
const MaxScenarioBytes = 1 << 20

// ErrTerms says that a scenario needs committees that change, which this build does not have.
var ErrTerms = errors.New("this build has one term: the committee does not change")

// The file in TOML. Times are milliseconds. Pointers tell which keys a fault has.
type scenarioFile struct {
	Validators  int         `toml:"validators"`
	Stake       []int64     `toml:"stake,omitempty"`
	Seed        int64       `toml:"seed"`
	Rule        string      `toml:"rule,omitempty"`
	Signatures  string      `toml:"signatures,omitempty"`
	DurationMS  int64       `toml:"duration_ms"`
	GSTMS       int64       `toml:"gst_ms"`
	TxPerSecond int         `toml:"tx_per_s"`
	GCDepth     int64       `toml:"gc_depth,omitempty"`
	EpochBlocks int64       `toml:"epoch_blocks"`
	Rotate      bool        `toml:"rotate,omitempty"`
	ServedMS    int64       `toml:"served_ms,omitempty"`
	GraceMS     int64       `toml:"grace_ms,omitempty"`
	Network     networkFile `toml:"network"`
	Fault       []faultFile `toml:"fault,omitempty"`
}

type networkFile struct {
	LatencyMS []int64 `toml:"latency_ms,omitempty"`
	Cities    bool    `toml:"cities,omitempty"`
	Drop      float64 `toml:"drop"`
	Duplicate float64 `toml:"duplicate"`
}

type faultFile struct {
	Kind      string    `toml:"kind"`
	Node      *int64    `toml:"node,omitempty"`
	AtMS      int64     `toml:"at_ms"`
	UntilMS   int64     `toml:"until_ms"`
	Factor    *float64  `toml:"factor,omitempty"`
	OffsetMS  *int64    `toml:"offset_ms,omitempty"`
	Groups    [][]int64 `toml:"groups,omitempty"`
	From      *int64    `toml:"from,omitempty"`
	To        *int64    `toml:"to,omitempty"`
	Behaviour string    `toml:"behaviour,omitempty"`
	Point     string    `toml:"point,omitempty"`
	Keep      bool      `toml:"keep,omitempty"`
}

var points = []string{Idle: "idle", Unsaved: "unsaved", Unsent: "unsent"}

// Parse reads a scenario file. Unknown keys, keys that a fault does not have, and impossible values are refused.
func Parse(data []byte) (Scenario, error) {
	if len(data) > MaxScenarioBytes {
		return Scenario{}, fmt.Errorf("scenario: %w: %d bytes, at most %d", remora.ErrTooLarge, len(data), MaxScenarioBytes)
	}
	f := fileOf(Scenario{Seed: 1}.WithDefaults())
	f.Validators, f.DurationMS, f.Stake = 0, 0, nil // the first two have no default, and the stakes go by their number
	decoder := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return Scenario{}, fmt.Errorf("scenario: %w: %s", remora.ErrInvalid, explainError(err))
	}
	s, err := f.toScenario()
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	s = s.WithDefaults()
	if err := s.Check(); err != nil {
		return Scenario{}, fmt.Errorf("scenario: %w", err)
	}
	return s, nil
}

// explainError names the line and the key.
func explainError(err error) string {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		return "unknown key:\n" + strict.String()
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		return decode.String()
	}
	return err.Error()
}

func (f *scenarioFile) toScenario() (Scenario, error) {
	if f.Validators == 0 || f.DurationMS == 0 {
		return Scenario{}, fmt.Errorf("%w: validators and duration_ms are required and more than 0", remora.ErrInvalid)
	}
	if f.Rotate {
		return Scenario{}, fmt.Errorf("rotate: %w", ErrTerms)
	}
	l := f.Network.LatencyMS
	if len(l) != 2 {
		return Scenario{}, fmt.Errorf("%w: latency_ms has %d entries, want the least and the most", remora.ErrInvalid, len(l))
	}
	var r refusals
	s := Scenario{
		Validators: f.Validators, Seed: r.parseNatural("seed", f.Seed), Rule: f.Rule, Signatures: f.Signatures,
		Duration: r.parseMillis("duration_ms", f.DurationMS), GST: r.parseMillis("gst_ms", f.GSTMS),
		TxPerSecond: f.TxPerSecond, EpochBlocks: remora.Height(r.parseNatural("epoch_blocks", f.EpochBlocks)),
		GCDepth: remora.Round(r.parseNatural("gc_depth", f.GCDepth)),
		Served:  r.parseMillis("served_ms", f.ServedMS), Grace: r.parseMillis("grace_ms", f.GraceMS),
		Network: Network{
			Latency: [2]time.Duration{r.parseMillis("latency_ms", l[0]), r.parseMillis("latency_ms", l[1])},
			Cities:  f.Network.Cities, Drop: f.Network.Drop, Duplicate: f.Network.Duplicate,
		},
	}
	r.refuseIf(f.ServedMS == 0 || f.GraceMS == 0, "served_ms = %d, grace_ms = %d, want more than 0", f.ServedMS, f.GraceMS)
	for _, stake := range f.Stake {
		s.Stake = append(s.Stake, r.parseNatural("stake", stake))
	}
	if l[1] == 0 { // as fast as it goes: zero would stand for the default
		s.Network.Latency[1] = 1
	}
	for i := range f.Fault {
		fault, err := f.Fault[i].toFault()
		if err != nil {
			return s, fmt.Errorf("fault %d: %w", i+1, err)
		}
		s.Faults = append(s.Faults, fault)
	}
	return s, r.joinErrors()
}

func (r *refusals) parseNatural(key string, v int64) uint64 {
	r.refuseIf(v < 0, "%s = %d, want 0 or more", key, v)
	return uint64(max(v, 0))
}

// maxMillis is the longest time.
const maxMillis = math.MaxInt64 / int64(time.Millisecond)

func (r *refusals) parseMillis(key string, v int64) time.Duration {
	r.refuseIf(v < 0 || v > maxMillis, "%s = %d, want 0 to %d", key, v, maxMillis)
	return time.Duration(v) * time.Millisecond
}

// keysOf says which keys a fault must have beside kind, at_ms and until_ms, and which it may.
var keysOf = map[Kind]struct{ must, may string }{
	Crash: {"node", "point keep"}, Wipe: {"node", ""}, Rollback: {"node", ""}, DiskFull: {"node", ""}, Slow: {"node factor", ""},
	Clock: {"node offset_ms", ""}, Partition: {"groups", ""}, OneWay: {"from to", ""}, Byzantine: {"node behaviour", ""},
}

func (f *faultFile) toFault() (Fault, error) {
	kind := Kind(f.Kind)
	keys, known := keysOf[kind]
	if !known {
		return Fault{}, fmt.Errorf("%w: kind %q, want crash, wipe, rollback, slow, disk-full, clock, partition, one-way or byzantine", remora.ErrInvalid, f.Kind)
	}
	if err := f.checkKeys(strings.Fields(keys.must), strings.Fields(keys.may)); err != nil {
		return Fault{}, fmt.Errorf("%s: %w", kind, err)
	}
	if f.Behaviour == "stale-term" {
		return Fault{}, fmt.Errorf("behaviour stale-term: %w", ErrTerms)
	}
	var r refusals
	fault := Fault{
		Kind: kind, At: r.parseMillis("at_ms", f.AtMS), Until: r.parseMillis("until_ms", f.UntilMS),
		Node: r.parseAuthority("node", f.Node), From: r.parseAuthority("from", f.From), To: r.parseAuthority("to", f.To),
		Behaviour: Behaviour(f.Behaviour), Keep: f.Keep,
	}
	if f.Factor != nil {
		fault.Factor = *f.Factor
	}
	if f.OffsetMS != nil {
		r.refuseIf(*f.OffsetMS < -maxMillis || *f.OffsetMS > maxMillis, "offset_ms = %d is out of range", *f.OffsetMS)
		fault.Offset = time.Duration(*f.OffsetMS) * time.Millisecond
	}
	for _, group := range f.Groups {
		var members []remora.Authority
		for _, a := range group {
			members = append(members, r.parseAuthority("groups", &a))
		}
		fault.Groups = append(fault.Groups, members)
	}
	if f.Point != "" {
		i := slices.Index(points, f.Point)
		r.refuseIf(i < 0, "point %q, want one of %v", f.Point, points)
		fault.Point = Point(max(i, 0))
	}
	return fault, r.joinErrors()
}

// parseAuthority refuses what no committee has; the scenario says how many this one has.
func (r *refusals) parseAuthority(key string, v *int64) remora.Authority {
	if v == nil {
		return 0
	}
	r.refuseIf(*v < 0 || *v >= MaxValidators, "%s names validator %d, they are counted from 0", key, *v)
	return remora.Authority(*v)
}

// checkKeys refuses a fault without a key that it must have, or with one that it cannot have.
func (f *faultFile) checkKeys(must, may []string) error {
	given := map[string]bool{
		"node": f.Node != nil, "factor": f.Factor != nil, "offset_ms": f.OffsetMS != nil, "groups": f.Groups != nil,
		"from": f.From != nil, "to": f.To != nil, "behaviour": f.Behaviour != "", "point": f.Point != "", "keep": f.Keep,
	}
	for _, key := range must {
		if !given[key] {
			return fmt.Errorf("%w: %s is missing", remora.ErrInvalid, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if given[key] && !slices.Contains(must, key) && !slices.Contains(may, key) {
			return fmt.Errorf("%w: this kind has no %s", remora.ErrInvalid, key)
		}
	}
	return nil
}
