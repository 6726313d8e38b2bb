package flight

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/restore"
)

// ErrDiffers says that the cores in replay did something else than was recorded: the code has changed, or the cores
// depend on more than their input.
var ErrDiffers = errors.New("the replay differs from the recording")

// Outcome describes a replay.
type Outcome struct {
	Records int          // replayed
	Rounds  remora.Round // reached by the core
	Stopped error        // that stopped the node, then and now; nil if none did
}

// Replay builds the cores of a recording and replays it, as far as it goes if it ends early. It returns ErrDiffers
// where the cores first do something else, and panics where the recorded cores panicked: that is its purpose.
func Replay(recording []byte) (Outcome, error) {
	t, err := newTape(recording)
	if err != nil {
		return Outcome{}, err
	}
	p := player{tape: t}
	err = p.playRecords()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	outcome := Outcome{Records: t.read, Stopped: p.stopped}
	if p.cores != nil {
		outcome.Rounds = p.cores.Mempool.Round()
	}
	return outcome, err
}

// player replays a tape.
type player struct {
	tape    *tape
	domain  remora.Domain
	cores   *restore.Cores
	done    remora.Hash     // see chainWork
	ordered []remora.SubDAG // by the commit rule, not passed to the mempool yet
	failed  error           // of the signer, within a step
	stopped error           // see Outcome
}

func (p *player) playRecords() error {
	if err := p.startCores(); err != nil {
		return err
	}
	for {
		r, err := p.tape.nextRecord()
		if err != nil {
			return err
		}
		if err := errors.Join(p.playRecord(r), p.failed); err != nil {
			return fmt.Errorf("record %d: %w", p.tape.read, err)
		}
	}
}

func (p *player) startCores() error {
	r, err := p.tape.nextRecord()
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
	p.domain = s.Genesis.Domain()
	cores, err := restore.Start(s.Snapshot, restore.Config{
		Genesis: &s.Genesis, Committee: committee, Self: s.Self, Signer: (*prompter)(p), Pace: s.Pace,
	})
	if err != nil || p.failed != nil {
		return errors.Join(err, p.failed)
	}
	p.cores = cores
	return nil
}

func (p *player) playRecord(r record) error {
	switch r.kind {
	case kindTick:
		now, err := decodeBody[remora.Millis](r)
		if err != nil {
			return err
		}
		p.cores.Mempool.Tick(now)
		return nil
	case kindWork:
		return p.takeWork(r)
	case kindOrdered:
		return p.stepOrdered(r)
	case kindHeaderSigned, kindVoteSigned, kindAggregated:
		return fmt.Errorf("%w: the recording has a signature that is not asked for now", ErrDiffers)
	default:
		m, err := decodeMessage(p.domain, r)
		if err != nil {
			return err
		}
		if err := p.cores.Mempool.Step(m); errors.Is(err, mempool.ErrSafety) || errors.Is(err, mempool.ErrTwin) {
			p.stopped = err
		}
		return nil // the core refused the message, as it did then
	}
}

// takeWork takes work from the core, as the shell did, and passes the delivered certificates to the commit rule.
func (p *player) takeWork(r record) error {
	if len(p.ordered) > 0 {
		return fmt.Errorf("%w: sub-DAGs are ordered that the recording does not have, first %s", ErrDiffers, p.ordered[0].Digest(p.domain))
	}
	rd, ok := p.cores.Mempool.Ready()
	if !ok {
		return fmt.Errorf("%w: the recording has work here, the cores have none", ErrDiffers)
	}
	if p.done = chainWork(p.done, &rd); string(p.done[:]) != string(r.body) {
		return fmt.Errorf("%w: the work has changed; now %d records, %d messages, %d wants, %d certificates, %d events",
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

// stepOrdered passes to the mempool what the commit rule ordered.
func (p *player) stepOrdered(r record) error {
	names, err := decodeBody[[]remora.Hash](r)
	if err != nil {
		return err
	}
	if got := subDAGDigests(p.domain, p.ordered); !slices.Equal(got, names) {
		return fmt.Errorf("%w: sub-DAGs %v are ordered, the recording has %v", ErrDiffers, got, names)
	}
	err = p.cores.Mempool.Step(mempool.Ordered{SubDAGs: p.ordered})
	p.ordered = nil
	return err
}

// prompter is the signer of a replay. It returns the recorded signatures.
type prompter player

// SignHeader implements mempool.Signer.
func (p *prompter) SignHeader(digest remora.Hash) remora.Signature {
	said := nextAnswer[headerSigned](p, kindHeaderSigned)
	p.compareSigned(said.Digest, digest)
	return said.Signature
}

// SignVote implements mempool.Signer.
func (p *prompter) SignVote(message remora.Hash) remora.BLSSignature {
	said := nextAnswer[voteSigned](p, kindVoteSigned)
	p.compareSigned(said.Message, message)
	return said.Signature
}

// Aggregate implements mempool.Signer.
func (p *prompter) Aggregate(message remora.Hash, _ []remora.Vote) (remora.BLSSignature, remora.Bitmap, []remora.Authority) {
	said := nextAnswer[aggregated](p, kindAggregated)
	p.compareSigned(said.Message, message)
	return said.Signature, said.Signers, said.Bad
}

// compareSigned fails the replay if another message is signed than was. Only the first failure is kept.
func (p *prompter) compareSigned(said, asked remora.Hash) {
	if p.failed == nil && said != asked {
		p.failed = fmt.Errorf("%w: %s is signed, the recording has %s", ErrDiffers, asked, said)
	}
}

// nextAnswer returns the signer's next answer in the recording.
func nextAnswer[T any](p *prompter, k kind) T {
	var said T
	if p.failed != nil {
		return said
	}
	r, err := p.tape.nextRecord()
	if err == nil && r.kind != k {
		err = fmt.Errorf("%w: a signature is asked for where the recording has a record of kind %d", ErrDiffers, r.kind)
	}
	if err == nil {
		said, err = decodeBody[T](r)
	}
	p.failed = err
	return said
}
