package consensus_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/remora-network/remora"
)

// Script is a DAG drawn as text, in the order in which a rule receives it. Each line is one of:
//
//	stakes 10 20 30 40     the committee; by default four members with stake 1
//	gc 6                   the GC depth; by default 50
//	leader 0               the leader of every even round; by default round robin
//	r1-3: 0 1 2            certificates of these authorities in rounds 1 to 3, with all existing parents
//	r4: *                  certificates of all authorities
//	r5: 0<-[0,1,2] 1<-[-3] 2'   with the listed parents; with all but the listed; a second, different certificate
//	again r2: 0            insert a certificate again
//	restart                continue with a new rule built from a snapshot
type Script struct {
	DAG   *DAG
	Steps []Step
}

// Step is a certificate to insert, or a restart if it is nil.
type Step struct {
	Certificate *remora.Certificate
}

// NewScript returns an empty script.
func NewScript() *Script { return &Script{DAG: NewDAG(Committee(Equal(4)...), 50)} }

// Parse reads a script and checks its certificates, except for their signatures.
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
		return s.readSetting(word, rest)
	case "again":
		return s.readRounds(rest, true)
	}
	return s.readRounds(line, false)
}

func (s *Script) readSetting(word, rest string) error {
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

// readRounds reads "r1-3: vertices".
func (s *Script) readRounds(line string, again bool) error {
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
		for _, text := range splitVertices(vertices) {
			if err := s.readVertex(remora.Round(r), text, again); err != nil {
				return fmt.Errorf("round %d, %q: %w", r, text, err)
			}
		}
	}
	return nil
}

// splitVertices splits text at spaces outside brackets.
func splitVertices(text string) []string {
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

// readVertex reads "0", "0'", "*" or "0<-[1,2,3]".
func (s *Script) readVertex(r remora.Round, text string, again bool) error {
	name, links, _ := strings.Cut(text, "<-")
	name, second := strings.CutSuffix(name, "'")
	authors, err := s.readAuthors(name, s.DAG.Authors(0))
	if err != nil {
		return err
	}
	parents, err := s.readAuthors(links, s.DAG.Authors(r-1))
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

// readAuthors reads "", "*", "3", "[0,1,2]" or "[-3]" as a selection from all.
func (s *Script) readAuthors(text string, all []remora.Authority) ([]remora.Authority, error) {
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
