package twins_test

import (
	"errors"
	"flag"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/sim/twins"
)

var (
	first = flag.Uint64("first", 0, "number of the first scenario of one twin of four")
	many  = flag.Int("scenarios", 0, "how many scenarios of one twin of four; 0 for what fits a run of all tests")
)

// scenarios returns how many sampled scenarios a test runs.
func scenarios(whole int) int {
	if testing.Short() {
		return whole / 10
	}
	return whole
}

// rounds varies the length of sampled scenarios from 6 to 12.
func rounds(number uint64) int { return int(6 + number%7) }

func TestTwins(t *testing.T) {
	t.Run("twins_one_of_four_never_diverges", testOneOfFour)
	t.Run("f_plus_1_twins_are_detected", testFPlusOne)
	t.Run("f_plus_1_twins_are_detected/sampled", testFPlusOneSampled)
}

func testOneOfFour(t *testing.T) {
	total := scenarios(12_000)
	if *many > 0 {
		total = *many
	}
	committing, equivocating := 0, 0
	runner := twins.NewRunner()
	for i := range total {
		number := *first + uint64(i)
		s := twins.Sample(number, 1, rounds(number))
		report, err := runner.Run(&s)
		if err != nil {
			t.Fatalf("scenario %d: %v\nagain: go test ./node/sim/twins -run TestTwins/twins_one_of_four -first %d -scenarios 1\n%+v", number, err, number, s)
		}
		if report.Committed > 0 {
			committing++
		}
		if report.Equivocations > 0 {
			equivocating++
		}
	}
	if total > 1000 && (committing < total*3/4 || equivocating < total*3/4) {
		t.Errorf("of %d scenarios, %d commit and %d show honest validators two headers: too idle to tell anything",
			total, committing, equivocating)
	}
}

// testFPlusOne gives each of two honest validators a quorum of its own: it and one of each twin.
func testFPlusOne(t *testing.T) {
	runner := twins.NewRunner()
	s := twins.Scenario{Twins: []remora.Authority{0, 1}, Depth: 50, GST: 8, Steps: slices.Repeat([]twins.Step{{Apart: 0b111000}}, 8)}
	report, err := runner.Run(&s)
	if !errors.Is(err, twins.ErrAgreement) || !errors.Is(err, twins.ErrCertificates) {
		t.Errorf("two halves with a quorum each: %v", err)
	}
	if report.Committed < 2 {
		t.Errorf("%d sub-DAGs committed in 8 rounds", report.Committed)
	}
	s.Late, s.GST = true, 1
	if _, err := runner.Run(&s); errors.Is(err, twins.ErrAgreement) {
		t.Errorf("one round apart and together again, nothing ordered yet: %v", err)
	}
}

// testFPlusOneSampled finds what two twins do to agreement without being told where to look.
func testFPlusOneSampled(t *testing.T) {
	runner := twins.NewRunner()
	total, diverged, certified := scenarios(2000), 0, 0
	for number := range uint64(total) {
		s := twins.Sample(number, 2, rounds(number))
		_, err := runner.Run(&s)
		if errors.Is(err, twins.ErrAgreement) {
			diverged++
		}
		if errors.Is(err, twins.ErrCertificates) {
			certified++
		}
	}
	t.Logf("of %d scenarios, %d diverge and %d show honest validators two certificates of one place", total, diverged, certified)
	if diverged == 0 || certified < diverged {
		t.Errorf("of %d scenarios, %d diverge and %d show two certificates", total, diverged, certified)
	}
}

// TestSample checks that a number always means the same, that names of sets and twins do not multiply scenarios, and
// that the numbers spread over what there is.
func TestSample(t *testing.T) {
	type kind struct {
		twin remora.Authority
		late bool
		deep bool
	}
	kinds, tears := map[kind]bool{}, map[uint8]bool{}
	for number := range uint64(500) {
		s := twins.Sample(number, 1, 8)
		if diff := cmp.Diff(s, twins.Sample(number, 1, 8)); diff != "" {
			t.Fatalf("scenario %d is two:\n%s", number, diff)
		}
		if s.GST < 4 || s.GST > 8 || len(s.Steps) != 8 {
			t.Fatalf("scenario %d is whole from step %d of %d", number, s.GST, len(s.Steps))
		}
		twin := s.Twins[0]
		kinds[kind{twin, s.Late, s.Depth > 4}] = true
		var apart uint8 // in any step
		separated := false
		for _, step := range s.Steps {
			one, two := step.Apart>>twin&1, step.Apart>>4&1
			if !separated && one > two {
				t.Fatalf("scenario %d has the names of its twins exchanged", number)
			}
			separated = separated || one != two
			apart |= step.Apart
			tears[step.Apart] = true
		}
		if apart|1<<twin|1<<4 == 0b11111 {
			t.Fatalf("scenario %d has the names of its sets exchanged: %05b", number, apart)
		}
	}
	// Each of five instances alone in its set, or not; the set of all is the one of none.
	if len(kinds) != 16 || len(tears) != 31-1 {
		t.Errorf("%d kinds, %d ways to be torn", len(kinds), len(tears))
	}
}

// TestRunRepeats runs scenarios twice: nothing but the number decides.
func TestRunRepeats(t *testing.T) {
	runner := twins.NewRunner()
	for number := range uint64(50) {
		s := twins.Sample(number, 2, 10)
		first, err := runner.Run(&s)
		again, errAgain := runner.Run(&s)
		if first != again || (err == nil) != (errAgain == nil) || err != nil && err.Error() != errAgain.Error() {
			t.Fatalf("scenario %d: %+v, %v, then %+v, %v", number, first, err, again, errAgain)
		}
	}
}

// BenchmarkTwins measures scenarios of one twin of four and 8 rounds, one after another.
func BenchmarkTwins(b *testing.B) {
	runner := twins.NewRunner()
	var number uint64
	for b.Loop() {
		s := twins.Sample(number, 1, 8)
		if _, err := runner.Run(&s); err != nil {
			b.Fatalf("scenario %d: %v", number, err)
		}
		number++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "scenarios/s")
}
