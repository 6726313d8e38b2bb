package flight

import (
	"errors"
	"fmt"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/restore"
)

// ErrDiffers says that the cores under replay did something else than was recorded: the code is another one, or what
// they do depends on more than their input.
var ErrDiffers = errors.New("the replay differs from the recording")

// Report is what a replay found.
type Report struct {
	Records int          // that were replayed
	Rounds  remora.Round // that the core has reached
	Stopped error        // after which the node could not go on: it was the same when it was recorded
}

// Replay builds the cores of a recording and takes them through it. A recording that ends early is replayed as far as
// it goes. It returns ErrDiffers where the cores first do something else, and panics where they do: that is what it is
// for.
func Replay(recording []byte) (Report, error) {
	t, err := newTape(recording)
	if err != nil {
		return Report{}, err
	}
	p := player{tape: t}
	err = p.play()
	if ended(err) {
		err = nil
	}
	report := Report{Records: t.read, Stopped: p.stopped}
	if p.cores != nil {
		report.Rounds = p.cores.Mempool.Round()
	}
	return report, err
}

// player replays a tape.
type player struct {
	tape    *tape
	chainID string
	cores   *restore.Cores
	done    remora.Hash     // see digest
	ordered []remora.SubDAG // by the commit rule, not handed to the mempool yet
	failed  error           // of the signer, within a step
	stopped error           // see Report
}

func (p *player) play() error {
	if err := p.start(); err != nil {
		return err
	}
	for {
		r, err := p.tape.next()
		if err != nil {
			return err
		}
		if err := errors.Join(p.step(r), p.failed); err != nil {
			return fmt.Errorf("record %d: %w", p.tape.read, err)
		}
	}
}

func (p *player) start() error {
	r, err := p.tape.next()
	if err != nil {
		return err
	}
	s, err := decodeStart(r)
	if err != nil {
		return err
	}
	committee, err := s.Genesis.Committee()
	if err != nil {
		return err
	}
	p.chainID = s.Genesis.ChainID
	cores, err := restore.Start(s.Snapshot, restore.Config{
		Genesis: &s.Genesis, Committee: committee, Self: s.Self, Signer: (*prompter)(p), Pace: s.Pace,
	})
	if err != nil || p.failed != nil {
		return errors.Join(err, p.failed)
	}
	p.cores = cores
	return nil
}

func (p *player) step(r record) error {
	switch r.kind {
	case kindTick:
		now, err := decode[remora.Millis](r)
		if err != nil {
			return err
		}
		p.cores.Mempool.Tick(now)
		return nil
	case kindWork:
		return p.take(r)
	case kindOrdered:
		return p.order(r)
	case kindHeaderSigned, kindVoteSigned, kindAggregated:
		return fmt.Errorf("%w: something was signed that is not signed now", ErrDiffers)
	default:
		m, err := decodeMessage(p.chainID, r)
		if err != nil {
			return err
		}
		if err := p.cores.Mempool.Step(m); errors.Is(err, mempool.ErrSafety) || errors.Is(err, mempool.ErrTwin) {
			p.stopped = err
		}
		return nil // another refusal is the sender's matter
	}
}

// take takes work from the core, as the shell did, and gives the commit rule what is delivered.
func (p *player) take(r record) error {
	if len(p.ordered) > 0 {
		return fmt.Errorf("%w: sub-DAGs are ordered that were not: the first is %s", ErrDiffers, p.ordered[0].Digest(p.chainID))
	}
	rd, ok := p.cores.Mempool.Ready()
	if !ok {
		return fmt.Errorf("%w: there was work, and is none", ErrDiffers)
	}
	if p.done = digest(p.done, &rd); string(p.done[:]) != string(r.body) {
		return fmt.Errorf("%w: the work is another: %d records, %d messages, %d wants, %d certificates, %d events",
			ErrDiffers, len(rd.Persist), len(rd.Send), len(rd.Want), len(rd.Delivered), len(rd.Events))
	}
	for _, c := range rd.Delivered {
		subs, err := p.cores.Order.Insert(c)
		if err != nil {
			p.stopped = err
			break
		}
		p.ordered = append(p.ordered, subs...)
	}
	p.cores.Mempool.Advance(rd)
	return nil
}

// order hands the mempool what the commit rule ordered.
func (p *player) order(r record) error {
	names, err := decode[[]remora.Hash](r)
	if err != nil {
		return err
	}
	if got := digests(p.chainID, p.ordered); !slices.Equal(got, names) {
		return fmt.Errorf("%w: sub-DAGs %v are ordered, they were %v", ErrDiffers, got, names)
	}
	err = p.cores.Mempool.Step(mempool.Ordered{SubDAGs: p.ordered})
	p.ordered = nil
	return err
}

// prompter is the signer of a replay: it knows the signatures from the recording.
type prompter player

// SignHeader implements mempool.Signer.
func (p *prompter) SignHeader(digest remora.Hash) remora.Signature {
	said := prompt[headerSigned](p, kindHeaderSigned)
	p.compare(said.Digest, digest)
	return said.Signature
}

// SignVote implements mempool.Signer.
func (p *prompter) SignVote(message remora.Hash) remora.BLSSignature {
	said := prompt[voteSigned](p, kindVoteSigned)
	p.compare(said.Message, message)
	return said.Signature
}

// Aggregate implements mempool.Signer.
func (p *prompter) Aggregate(message remora.Hash, _ []remora.Vote) (remora.BLSSignature, remora.Bitmap, []remora.Authority) {
	said := prompt[aggregated](p, kindAggregated)
	p.compare(said.Message, message)
	return said.Signature, said.Signers, said.Bad
}

// compare notes that something else is signed than was. After a failure nothing more is of interest.
func (p *prompter) compare(said, asked remora.Hash) {
	if p.failed == nil && said != asked {
		p.failed = fmt.Errorf("%w: %s is signed, it was %s", ErrDiffers, asked, said)
	}
}

// prompt returns the signer's answer that comes next in the recording.
func prompt[T any](p *prompter, k kind) T {
	var said T
	if p.failed != nil {
		return said
	}
	r, err := p.tape.next()
	if err == nil && r.kind != k {
		err = fmt.Errorf("%w: something is signed where the recording has a record of kind %d", ErrDiffers, r.kind)
	}
	if err == nil {
		said, err = decode[T](r)
	}
	p.failed = err
	return said
}
