package sim

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/remora-network/remora"
)

const least = "validators = 4\nduration_ms = 60000\n"

func TestDefaults(t *testing.T) {
	s, err := Parse([]byte(least))
	if err != nil {
		t.Fatal(err)
	}
	want := Scenario{
		Validators: 4, Stake: []uint64{1, 1, 1, 1}, Seed: 1, Rule: "bullshark", Signatures: FakeSignatures, Duration: 60_000 * ms,
		GCDepth: 50, Network: Network{Latency: [2]time.Duration{5 * ms, 40 * ms}}, Served: 60_000 * ms, Grace: 10_000 * ms,
	}
	if diff := cmp.Diff(want, s, cmpopts.IgnoreUnexported(Scenario{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFormatParses has every random scenario survive the way through a file.
func TestFormatParses(t *testing.T) {
	for seed := range uint64(300) {
		s := Random(seed, 0)
		file, err := Format(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(file)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, file)
		}
		if diff := cmp.Diff(s, again, cmpopts.IgnoreUnexported(Scenario{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	fault := func(text string) string { return least + "[[fault]]\nat_ms = 1\nuntil_ms = 2\n" + text }
	for name, tt := range map[string]struct{ file, want string }{
		"nothing":                {"", "required"},
		"no duration":            {"validators = 4", "required"},
		"no TOML":                {"validators = = 4", "1|"},
		"text for a number":      {"validators = \"4\"", "1|"},
		"unknown key":            {least + "speed = 3", "unknown key"},
		"unknown key of a table": {least + "[network]\nlatency = [1, 2]", "unknown key"},
		"no validators":          {"validators = 0\nduration_ms = 1", "more than 0"},
		"too many validators":    {"validators = 201\nduration_ms = 1", "1 to 200"},
		"fewer than none":        {"validators = -1\nduration_ms = 1", "1 to 200"},
		"stakes of others":       {least + "stake = [1, 1, 1]", "3 entries"},
		"no stake":               {least + "stake = [1, 1, 1, 0]", "stake 0"},
		"negative stake":         {least + "stake = [1, 1, 1, -1]", "stake = -1"},
		"negative seed":          {least + "seed = -1", "seed = -1"},
		"unknown rule":           {least + `rule = "raft"`, "raft"},
		"unknown signatures":     {least + `signatures = "none"`, "none"},
		"GST after the end":      {least + "gst_ms = 60001", "gst_ms"},
		"negative GST":           {least + "gst_ms = -1", "gst_ms"},
		"negative load":          {least + "tx_per_s = -1", "tx_per_s"},
		"shallow":                {least + "gc_depth = 3", "gc_depth"},
		"negative epochs":        {least + "epoch_blocks = -1", "epoch_blocks"},
		"terms":                  {least + "rotate = true", "one term"},
		"one latency":            {least + "[network]\nlatency_ms = [5]", "latency_ms"},
		"latency the wrong way":  {least + "[network]\nlatency_ms = [40, 5]", "latency_ms"},
		"drop above one":         {least + "[network]\ndrop = 1.5", "drop"},
		"negative duplicates":    {least + "[network]\nduplicate = -0.1", "duplicate"},
		"drop is no number":      {least + "[network]\ndrop = nan", "drop"},
		"endless duration":       {"validators = 4\nduration_ms = 9223372036854775807", "duration_ms"},
		"fault without a kind":   {fault("node = 1"), "kind"},
		"unknown kind":           {fault("kind = \"flood\"\nnode = 1"), "flood"},
		"crash of nobody":        {fault(`kind = "crash"`), "node is missing"},
		"crash of a fifth":       {fault("kind = \"crash\"\nnode = 4"), "validator 4 of 4"},
		"crash of a negative":    {fault("kind = \"crash\"\nnode = -1"), "validator -1"},
		"crash with a factor":    {fault("kind = \"crash\"\nnode = 1\nfactor = 2"), "no factor"},
		"unknown point":          {fault("kind = \"crash\"\nnode = 1\npoint = \"later\""), "later"},
		"until before at":        {least + "[[fault]]\nkind = \"wipe\"\nnode = 1\nat_ms = 5\nuntil_ms = 4", "until_ms = 4"},
		"slow without a factor":  {fault("kind = \"slow\"\nnode = 1"), "factor is missing"},
		"slow by less than one":  {fault("kind = \"slow\"\nnode = 1\nfactor = 0.5"), "factor"},
		"clock without offset":   {fault("kind = \"clock\"\nnode = 1"), "offset_ms is missing"},
		"clock of a fifth":       {fault("kind = \"clock\"\nnode = 7\noffset_ms = 1"), "validator 7"},
		"partition of nobody":    {fault(`kind = "partition"`), "groups is missing"},
		"empty partition":        {fault("kind = \"partition\"\ngroups = []"), "groups"},
		"partition of strangers": {fault("kind = \"partition\"\ngroups = [[0, 1], [2, 9]]"), "validator 9"},
		"twice in a partition":   {fault("kind = \"partition\"\ngroups = [[0, 1], [1, 2]]"), "in two groups"},
		"one way to nobody":      {fault("kind = \"one-way\"\nfrom = 1"), "to is missing"},
		"one way to oneself":     {fault("kind = \"one-way\"\nfrom = 1\nto = 1"), "same validator"},
		"no behaviour":           {fault("kind = \"byzantine\"\nnode = 1"), "behaviour is missing"},
		"unknown behaviour":      {fault("kind = \"byzantine\"\nnode = 1\nbehaviour = \"rude\""), "rude"},
		"behaviour of terms":     {fault("kind = \"byzantine\"\nnode = 1\nbehaviour = \"stale-term\""), "one term"},
		"rollback for ever":      {least + "[[fault]]\nkind = \"rollback\"\nnode = 1\nat_ms = 5", "until_ms = 0"},
		"too long":               {least + strings.Repeat("#", MaxScenarioBytes), "at most"},
	} {
		_, err := Parse([]byte(tt.file))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if err != nil && !errors.Is(err, remora.ErrInvalid) && !errors.Is(err, ErrTerms) && !errors.Is(err, remora.ErrTooLarge) {
			t.Errorf("%s: %v is none of the errors that callers know", name, err)
		}
	}
}

// FuzzParse reads any file without a panic, and what it reads can be written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(least))
	for seed := range uint64(20) {
		file, err := Format(Random(seed, 0))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		file, err := Format(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(file); err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
	})
}
