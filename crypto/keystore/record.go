package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/durable"
)

// ErrRecord means that a signing record is damaged or belongs to another key or chain. Signing without the right record
// could contradict earlier signatures.
var ErrRecord = errors.New("unusable signing record")

// recordVersion is the only record format that is read and written.
const recordVersion = 1

// Record is the highest round that a node's consensus key has signed. It is kept beside the key and moves with it, so that
// a used key that lost its store is not mistaken for a new one.
type Record struct {
	Key     remora.BLSPublicKey // of the consensus key
	Used    bool                // whether a validator was started with the key
	ChainID string              // of that validator, empty if unused
	Genesis remora.Hash         // of that chain, zero if unused
	Round   remora.Round        // no header or vote of a higher round was signed
}

// record is the JSON form.
type record struct {
	Version int                 `json:"version"`
	Key     remora.BLSPublicKey `json:"consensus_key"`
	State   string              `json:"state"`
	ChainID string              `json:"chain_id,omitempty"`
	Genesis remora.Hash         `json:"genesis,omitzero"`
	Round   remora.Round        `json:"round"`
}

// The states of a record.
const (
	stateUnused = "unused"
	stateUsed   = "used"
)

// MarshalJSON implements json.Marshaler.
func (r Record) MarshalJSON() ([]byte, error) {
	state := stateUnused
	if r.Used {
		state = stateUsed
	}
	return json.Marshal(record{Version: recordVersion, Key: r.Key, State: state, ChainID: r.ChainID, Genesis: r.Genesis, Round: r.Round})
}

// UnmarshalJSON implements json.Unmarshaler. Errors match ErrRecord.
func (r *Record) UnmarshalJSON(data []byte) error {
	var j record
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	used := j.State == stateUsed
	switch {
	case j.Version != recordVersion:
		return fmt.Errorf("%w: version %d, this program reads version %d", ErrRecord, j.Version, recordVersion)
	case !used && j.State != stateUnused:
		return fmt.Errorf("%w: state %.32q, want %q or %q", ErrRecord, j.State, stateUnused, stateUsed)
	case used != (j.ChainID != "") || used == j.Genesis.IsZero() || !used && j.Round != 0:
		return fmt.Errorf("%w: a used record names a chain and a genesis, an unused one does not", ErrRecord)
	}
	*r = Record{Key: j.Key, Used: used, ChainID: j.ChainID, Genesis: j.Genesis, Round: j.Round}
	return nil
}

// Merge returns a record that covers both. They must be of the same key and, if both are used, of the same chain.
func (r Record) Merge(other Record) (Record, error) {
	switch {
	case r.Key != other.Key:
		return r, fmt.Errorf("%w: one record is of consensus key %s, the other of %s", ErrRecord, r.Key, other.Key)
	case !other.Used:
		return r, nil
	case !r.Used:
		return other, nil
	case r.Genesis != other.Genesis || r.ChainID != other.ChainID:
		return r, fmt.Errorf("%w: one record is of chain %q, the other of %q", ErrRecord, r.ChainID, other.ChainID)
	}
	r.Round = max(r.Round, other.Round)
	return r, nil
}

// LoadRecord reads a record. The error matches fs.ErrNotExist, ErrRecord or ErrPermissions.
func LoadRecord(path string) (Record, error) {
	var r Record
	data, err := readPrivateFile(path)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	switch {
	case err == nil:
		return r, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrPermissions):
		return r, fmt.Errorf("signing record %q: %w", path, err)
	}
	return r, fmt.Errorf("signing record %q: %w: %w; restore its newest copy, or remove it: the node "+
		"then asks the other validators before it signs", path, ErrRecord, err)
}

// SaveRecord merges r into the record at path, which may be missing, and makes the result durable.
func SaveRecord(path string, r Record) error {
	old, err := LoadRecord(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		if r, err = r.Merge(old); err != nil {
			return fmt.Errorf("signing record %q: %w", path, err)
		}
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("signing record %q: %w", path, err)
	}
	if err := durable.Replace(path, append(data, '\n')); err != nil {
		return fmt.Errorf("signing record: %w", err)
	}
	return nil
}

// bundle is a key file with its signing record, to be moved to another machine.
type bundle struct {
	Key    json.RawMessage `json:"key"`
	Record *Record         `json:"signing"`
}

// Export writes a new file of mode 0600 that holds a key file, still encrypted, and its signing record.
func Export(path, keyPath, recordPath string) error {
	_, key, err := readKeyFile(keyPath)
	if err != nil {
		return err
	}
	r, err := LoadRecord(recordPath)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(bundle{Key: key, Record: &r}, "", "  ")
	if err != nil {
		return fmt.Errorf("export %q: %w", path, err)
	}
	if err := durable.Create(path, append(data, '\n')); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// Import reads a file that Export wrote. It also reads a plain key file and then returns a nil record.
func Import(path string, password []byte) (*Keys, *Record, error) {
	data, err := readPrivateFile(path)
	if err != nil {
		return nil, nil, explainError(path, err)
	}
	b := bundle{Key: data}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if exported := new(bundle); d.Decode(exported) == nil && exported.Key != nil {
		if _, err := d.Token(); err != io.EOF {
			return nil, nil, explainError(path, fmt.Errorf("%w: more data after its end", ErrCorrupt))
		}
		b = *exported
	}
	f, err := decodeFile(b.Key)
	if err != nil {
		return nil, nil, explainError(path, err)
	}
	keys, err := f.decryptKeys(password)
	if err != nil {
		return nil, nil, explainError(path, err)
	}
	if b.Record != nil && b.Record.Key != keys.Public.BLS {
		return nil, nil, fmt.Errorf("%q: %w: it belongs to another key", path, ErrRecord)
	}
	return keys, b.Record, nil
}
