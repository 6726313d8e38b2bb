package keystore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/remora-network/remora"
)

const (
	// version is the format's. A reader refuses every other.
	version = 1
	// maxFileSize in bytes is several times the largest key file.
	maxFileSize = 16 << 10
)

// file is the JSON form. The checksum tells damage from a wrong password, which the cipher alone cannot.
type file struct {
	shown
	Crypto   sealed      `json:"crypto"`
	Checksum remora.Hash `json:"checksum,omitzero"`
}

// shown is readable without the password, and authenticated with it.
type shown struct {
	Version int    `json:"version"`
	Kind    Kind   `json:"kind"`
	Public  Public `json:"public"`
}

func newFile(k *Keys, password []byte, c cost) (*file, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	f := &file{shown: shown{Version: version, Kind: k.Kind, Public: k.Public}}
	show, err := json.Marshal(f.shown)
	if err != nil {
		return nil, err
	}
	secret := k.Secret.marshal(k.Kind)
	defer clear(secret)
	if f.Crypto, err = seal(secret, password, show, c); err != nil {
		return nil, err
	}
	f.Checksum, err = f.sum()
	return f, err
}

// sum hashes the compact form without the checksum.
func (f file) sum() (remora.Hash, error) {
	f.Checksum = remora.Hash{}
	b, err := json.Marshal(f)
	return remora.SumBLAKE3(b), err
}

func (f *file) encode() ([]byte, error) {
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// decode checks all that can be checked without the password.
func decode(data []byte) (*file, error) {
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%w: over %d bytes", ErrCorrupt, maxFileSize)
	}
	f := new(file)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: more data after its end", ErrCorrupt)
	}
	if f.Version != version {
		return nil, fmt.Errorf("%w: version %d, this program reads version %d", ErrCorrupt, f.Version, version)
	}
	size := f.Kind.secrets() * SecretSize
	if size == 0 {
		return nil, fmt.Errorf("%w: unknown kind %.32q", ErrCorrupt, string(f.Kind))
	}
	if err := f.Crypto.check(size); err != nil {
		return nil, err
	}
	sum, err := f.sum()
	if err != nil {
		return nil, err
	}
	if sum != f.Checksum {
		return nil, fmt.Errorf("%w: checksum mismatch", ErrCorrupt)
	}
	return f, nil
}

// open decrypts the keys. f was decoded.
func (f *file) open(password []byte) (*Keys, error) {
	show, err := json.Marshal(f.shown)
	if err != nil {
		return nil, err
	}
	secret, err := f.Crypto.open(password, show)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	k := &Keys{Kind: f.Kind, Public: f.Public}
	k.Secret.unmarshal(f.Kind, secret)
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return k, nil
}
