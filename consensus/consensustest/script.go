package consensustest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/remora-network/remora"
)

// Script is a DAG drawn as text, in the order in which a rule receives it. A line each:
//
//	stakes 10 20 30 40     the committee; four with stake 1 unless told
//	gc 6                   the depth of garbage collection; 50 unless told
//	leader 0               leader of every even round; round robin unless told
//	r1-3: 0 1 2            rounds 1 to 3 of these authorities, each with all parents of the round before that exist
//	r4: *                  everybody
//	r5: 0<-[0,1,2] 1<-[-3] 2'   parents listed; all but those listed; a second, different certificate of authority 2
//	again r2: 0            insert a certificate again
//	restart                continue with a new rule built from what was committed
type Script struct {
	DAG   *DAG
	Steps []Step
}

// Step is a certificate to insert, or a restart when there is none.
type Step struct {
	Certificate *remora.Certificate
}

// NewScript returns a script without lines.
func NewScript() *Script { return &Script{DAG: NewDAG(Committee(Equal(4)...), 50)} }

// Parse reads a script and checks that its certificates are valid but for their signatures.
func Parse(text string) (*Script, error) {
	s := NewScript()
	for i, line := range strings.Split(text, "\n") {
		if err := s.Add(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return s, nil
}

// Add reads one more line.
func (s *Script) Add(line string) error {
	line, _, _ = strings.Cut(line, "#")
	line = strings.TrimSpace(line)
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "":
		return nil
	case "restart":
		s.Steps = append(s.Steps, Step{})
		return nil
	case "stakes", "gc", "leader":
		return s.setting(word, rest)
	case "again":
		return s.rounds(rest, true)
	}
	return s.rounds(line, false)
}

func (s *Script) setting(word, rest string) error {
	var numbers []uint64
	for field := range strings.FieldsSeq(rest) {
		v, err := strconv.ParseUint(field, 10, 16)
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		numbers = append(numbers, v)
	}
	if len(s.Steps) > 0 || len(numbers) == 0 || word != "stakes" && len(numbers) != 1 {
		return fmt.Errorf("%s %s: want numbers, before the first round", word, rest)
	}
	switch word {
	case "gc":
		s.DAG.GCDepth = remora.Round(numbers[0])
	case "leader":
		s.DAG.Leader = Pin(remora.Authority(numbers[0]))
	default:
		stakes := make([]remora.Amount, len(numbers))
		for i, v := range numbers {
			stakes[i] = remora.Amount(v)
		}
		s.DAG.Committee = Committee(stakes...)
	}
	return nil
}

// rounds reads "r1-3: vertices".
func (s *Script) rounds(line string, again bool) error {
	span, vertices, found := strings.Cut(line, ":")
	from, to, isRange := strings.Cut(strings.TrimPrefix(span, "r"), "-")
	if !isRange {
		to = from
	}
	first, err1 := strconv.ParseUint(from, 10, 32)
	last, err2 := strconv.ParseUint(to, 10, 32)
	if !found || span[:1] != "r" || err1 != nil || err2 != nil || first == 0 {
		return fmt.Errorf("%q: want a setting or a round such as r4: 0 1 2", line)
	}
	for r := first; r <= last; r++ {
		for _, text := range fields(vertices) {
			if err := s.vertex(remora.Round(r), text, again); err != nil {
				return fmt.Errorf("round %d, %q: %w", r, text, err)
			}
		}
	}
	return nil
}

// fields splits at spaces outside of brackets.
func fields(text string) []string {
	depth := 0
	return strings.FieldsFunc(text, func(c rune) bool {
		switch c {
		case '[':
			depth++
		case ']':
			depth--
		}
		return c == ' ' && depth == 0
	})
}

// vertex reads "0", "0'", "*" or "0<-[1,2,3]".
func (s *Script) vertex(r remora.Round, text string, again bool) error {
	name, links, _ := strings.Cut(text, "<-")
	name, second := strings.CutSuffix(name, "'")
	authors, err := s.authors(name, s.DAG.Authors(0))
	if err != nil {
		return err
	}
	parents, err := s.authors(links, s.DAG.Authors(r-1))
	if err != nil {
		return err
	}
	for _, a := range authors {
		known := s.DAG.At(r, a)
		var c *remora.Certificate
		switch {
		case again != (known != nil) && !second:
			return fmt.Errorf("authority %d: write again for a second time and only then", a)
		case again:
			c = known
		case second:
			c = s.DAG.Make(r, a, 1, parents)
		default:
			c = s.DAG.Add(r, a, parents)
		}
		if err := c.Check(s.DAG.Committee); err != nil {
			return err
		}
		s.Steps = append(s.Steps, Step{Certificate: c})
	}
	return nil
}

// authors reads "", "*", "3", "[0,1,2]" or "[-3]" as a choice among the given ones.
func (s *Script) authors(text string, all []remora.Authority) ([]remora.Authority, error) {
	if text == "" || text == "*" {
		return all, nil
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	text, except := strings.CutPrefix(text, "-")
	var listed []remora.Authority
	for field := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' || c == ' ' }) {
		v, err := strconv.ParseUint(field, 10, 16)
		if err != nil || !slices.Contains(all, remora.Authority(v)) {
			return nil, fmt.Errorf("no certificate or authority %q", field)
		}
		listed = append(listed, remora.Authority(v))
	}
	if !except {
		return listed, nil
	}
	return slices.DeleteFunc(all, func(a remora.Authority) bool { return slices.Contains(listed, a) }), nil
}
