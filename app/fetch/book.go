package fetch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/durable"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/transfer"
)

// book is the file of a session: a head, then every signed receipt, stored before it left this process. The next receipt
// must extend those in it. It only grows, and belongs to the process that holds its lock.
//
// A record is the length of its text in 4 bytes and the CRC-32C of the text in 4 bytes, both big endian, then the text,
// canonical CBOR. A crash may leave the last record torn: that receipt was never sent, and the record is cut off.
type book struct {
	file   *os.File
	size   int64 // of whole records
	failed error // of a write: what is on disk is unknown, and nothing more is signed
}

const (
	bookFormat  = "remora/session-book/2"
	bookSuffix  = ".book"
	recordStart = 8
	maxRecord   = transfer.MaxDeliveryRequest
	maxChainID  = 32
	lockRetries = 100 // after a signal interrupted the call
)

var (
	// errBusy says that another process holds a book.
	errBusy    = errors.New("the session is in use by another process")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// bookHead names the session of a book.
type bookHead struct {
	_       struct{} `cbor:",toarray"`
	Format  string
	ChainID string
	Domain  remora.Domain
	Owner   remora.Address
	Number  uint64
	Expiry  remora.Epoch
}

// bookPrefix returns the prefix of the names of a chain's books. The id comes from a node: an invalid one fails.
func bookPrefix(chainID string) (string, error) {
	strange := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' }
	if chainID == "" || len(chainID) > maxChainID || strings.ContainsFunc(chainID, strange) {
		return "", fmt.Errorf("%w: chain id %.40q, want 1 to %d of a-z, 0-9, dot and hyphen", remora.ErrInvalid, chainID, maxChainID)
	}
	return chainID + "_", nil
}

// createBook creates the book of a new session. The file appears under its name with its head in it.
func createBook(dir string, h bookHead) (*book, error) {
	prefix, err := bookPrefix(h.ChainID)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return nil, err
	}
	b := &book{file: f}
	name := filepath.Join(dir, fmt.Sprintf("%s%016x%s", prefix, h.Number, bookSuffix))
	err = lockFile(f)
	if err == nil {
		err = b.appendRecord(h)
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if err := durable.SyncDir(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

// openBook opens and locks a book, and returns its head and entries. An errBusy says that another process has it.
func openBook(name string) (b *book, h bookHead, entries []session.Entry, err error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, h, nil, err
	}
	b = &book{file: f}
	if h, entries, err = b.loadRecords(); err != nil {
		return nil, h, nil, errors.Join(err, f.Close())
	}
	return b, h, entries, nil
}

func (b *book) loadRecords() (h bookHead, entries []session.Entry, err error) {
	if err := lockFile(b.file); err != nil {
		return h, nil, err
	}
	text, err := os.ReadFile(b.file.Name())
	if err != nil {
		return h, nil, err
	}
	h, entries, size, err := decodeBook(text)
	if err != nil {
		return h, nil, fmt.Errorf("session book %s: %w", b.file.Name(), err)
	}
	b.size = int64(size)
	if size == len(text) {
		return h, entries, nil
	}
	return h, entries, errors.Join(b.file.Truncate(b.size), b.file.Sync())
}

// decodeBook decodes head and entries, and returns the size of the whole records. A torn record at the end is left out;
// damage anywhere else is remora.ErrCorrupt, because it may hide a receipt that was sent.
func decodeBook(text []byte) (h bookHead, entries []session.Entry, size int, err error) {
	first, rest, err := cutRecord(text)
	if err == nil && first == nil {
		err = errors.New("no head")
	}
	if err == nil {
		err = remora.Decode(first, maxRecord, &h)
	}
	if err == nil && h.Format != bookFormat {
		err = fmt.Errorf("format %.40q, this version reads %s", h.Format, bookFormat)
	}
	for err == nil {
		size = len(text) - len(rest)
		var next []byte
		if next, rest, err = cutRecord(rest); err != nil || next == nil {
			break
		}
		var e session.Entry
		if err = remora.Decode(next, maxRecord, &e); err == nil {
			entries = append(entries, e)
		}
	}
	if err != nil {
		return h, nil, 0, fmt.Errorf("%w: %w", remora.ErrCorrupt, err)
	}
	return h, entries, size, nil
}

// cutRecord returns the text of the first record and what follows it; nil where there is no record or a torn one.
func cutRecord(b []byte) (text, rest []byte, err error) {
	if len(b) < recordStart {
		return nil, nil, nil
	}
	length, sum := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	rest = b[recordStart:]
	if length > 0 && length <= maxRecord {
		if uint64(length) > uint64(len(rest)) {
			return nil, nil, nil
		}
		text, rest = rest[:length], rest[length:]
		if crc32.Checksum(text, castagnoli) == sum {
			return text, rest, nil
		}
		if len(rest) == 0 {
			return nil, nil, nil
		}
	}
	if len(strings.Trim(string(b), "\x00")) == 0 { // a file system may lengthen a file before it writes
		return nil, nil, nil
	}
	return nil, nil, errors.New("a damaged record that is not the last one")
}

// appendRecord writes a record. It is durable on return.
func (b *book) appendRecord(v any) error {
	if b.failed != nil {
		return b.failed
	}
	text := remora.Encode(v)
	out := binary.BigEndian.AppendUint32(make([]byte, 0, recordStart+len(text)), uint32(len(text)))
	out = binary.BigEndian.AppendUint32(out, crc32.Checksum(text, castagnoli))
	_, err := b.file.WriteAt(append(out, text...), b.size)
	if err == nil {
		err = b.file.Sync()
	}
	if err != nil {
		b.failed = fmt.Errorf("session book: receipts cannot be kept, so none is signed: %w", err)
		return b.failed
	}
	b.size += int64(recordStart + len(text))
	return nil
}

func (b *book) closeFile() error { return b.file.Close() }

// lockFile locks a file for this process until it is closed.
func lockFile(f *os.File) (err error) {
	for range lockRetries {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errBusy
	}
	return err
}
