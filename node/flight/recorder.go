package flight

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/restore"
)

// The files in a Recorder's folder: the present recording and the one before it.
const (
	Current  = "current.flight"
	Previous = "previous.flight"
)

// Recorder writes recordings. It belongs to the goroutine of the cores; a nil Recorder records nothing.
//
// Consensus does not depend on it: when it cannot write, it logs a warning and stops.
type Recorder struct {
	dir    string
	limit  int64 // bytes of a recording
	log    *slog.Logger
	file   *os.File // nil: not recording
	size   int64    // of file
	domain remora.Domain
	done   remora.Hash // see chainWork
}

// New returns a recorder for a folder, which it creates and which holds at most limit bytes.
func New(dir string, limit int64, log *slog.Logger) *Recorder {
	return &Recorder{dir: dir, limit: limit / 2, log: log}
}

// Start builds the cores from a snapshot and begins a recording with it. The previous recording is kept, older ones are
// not.
func (r *Recorder) Start(s restore.Snapshot, c restore.Config) (*restore.Cores, error) {
	if r == nil {
		return restore.Start(s, c)
	}
	r.Close()
	if err := r.beginFile(); err != nil {
		r.stopRecording(err)
	}
	r.domain, r.done = c.Genesis.Domain(), remora.Hash{}
	r.writeRecord(kindStart, remora.Encode(start{Genesis: *c.Genesis, Self: c.Self, Pace: c.Pace, Snapshot: s}))
	if r.size > r.limit/2 { // it would soon be full again
		r.stopRecording(fmt.Errorf("the snapshot takes %d of %d bytes: raise the limit", r.size, r.limit))
	}
	c.Signer = signer{Signer: c.Signer, recorder: r}
	return restore.Start(s, c)
}

func (r *Recorder) beginFile() error {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	current := filepath.Join(r.dir, Current)
	if err := os.Rename(current, filepath.Join(r.dir, Previous)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(current, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	r.file, r.size = file, int64(len(magic))
	_, err = file.WriteString(magic)
	return err
}

// Step records a message before the core takes it.
func (r *Recorder) Step(m mempool.Message) {
	if r == nil || r.file == nil {
		return
	}
	rec, err := encodeMessage(r.domain, m)
	if err != nil {
		r.stopRecording(err)
		return
	}
	r.writeRecord(rec.kind, rec.body)
}

// Tick records a tick before the core takes it.
func (r *Recorder) Tick(now remora.Millis) {
	if r == nil || r.file == nil {
		return
	}
	r.writeRecord(kindTick, remora.Encode(now))
}

// Took records the work that the shell has taken from the core, before the shell carries it out.
func (r *Recorder) Took(rd *mempool.Ready) {
	if r == nil || r.file == nil {
		return
	}
	r.done = chainWork(r.done, rd)
	r.writeRecord(kindWork, r.done[:])
}

// Full reports that the recording has reached its limit and takes no more: the cores should be built again with Start.
func (r *Recorder) Full() bool { return r != nil && r.file != nil && r.size >= r.limit }

// Close ends the recording.
func (r *Recorder) Close() {
	if r == nil || r.file == nil {
		return
	}
	if err := r.file.Close(); err != nil {
		r.log.Warn("could not close the recording of the cores", slog.Any("reason", err))
	}
	r.file = nil
}

func (r *Recorder) writeRecord(k kind, body []byte) {
	if r.file == nil || r.Full() {
		return
	}
	framed := appendRecord(make([]byte, 0, recordSize+len(body)), k, body)
	if _, err := r.file.Write(framed); err != nil {
		r.stopRecording(err)
		return
	}
	r.size += int64(len(framed))
}

// stopRecording gives up. Part of a record may be in the file; a replay ends there.
func (r *Recorder) stopRecording(err error) {
	r.log.Warn("the cores are not recorded any more", slog.Any("reason", err))
	r.Close()
}

// signer records the signatures of another signer.
type signer struct {
	mempool.Signer
	recorder *Recorder
}

// SignHeader implements mempool.Signer.
func (s signer) SignHeader(digest remora.Hash) remora.Signature {
	sig := s.Signer.SignHeader(digest)
	s.recorder.writeRecord(kindHeaderSigned, remora.Encode(headerSigned{Digest: digest, Signature: sig}))
	return sig
}

// SignVote implements mempool.Signer.
func (s signer) SignVote(message remora.Hash) remora.BLSSignature {
	sig := s.Signer.SignVote(message)
	s.recorder.writeRecord(kindVoteSigned, remora.Encode(voteSigned{Message: message, Signature: sig}))
	return sig
}

// Aggregate implements mempool.Signer.
func (s signer) Aggregate(message remora.Hash, votes []remora.Vote) (remora.BLSSignature, remora.Bitmap, []remora.Authority) {
	sig, signers, bad := s.Signer.Aggregate(message, votes)
	s.recorder.writeRecord(kindAggregated, remora.Encode(aggregated{Message: message, Signature: sig, Signers: signers, Bad: bad}))
	return sig, signers, bad
}
