package keystore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/remora-network/remora"
)

const (
	// version is the only file format that is read and written.
	version = 1
	// maxFileSize, in bytes, is several times the size of the largest key file.
	maxFileSize = 16 << 10
)

// file is the JSON form. Its checksum distinguishes damage from a wrong password, which the cipher cannot do.
type file struct {
	shown
	Crypto   sealed      `json:"crypto"`
	Checksum remora.Hash `json:"checksum,omitzero"`
}

// shown is the part that can be read without the password. The cipher authenticates it.
type shown struct {
	Version int    `json:"version"`
	Kind    Kind   `json:"kind"`
	Public  Public `json:"public"`
}

func encryptKeys(k *Keys, password []byte, c cost) (*file, error) {
	if err := k.checkComplete(); err != nil {
		return nil, err
	}
	f := &file{shown: shown{Version: version, Kind: k.Kind, Public: k.Public}}
	show, err := json.Marshal(f.shown)
	if err != nil {
		return nil, err
	}
	secret := k.Secret.joinSecrets(k.Kind)
	defer clear(secret)
	if f.Crypto, err = encryptSecret(secret, password, show, c); err != nil {
		return nil, err
	}
	f.Checksum, err = f.computeChecksum()
	return f, err
}

// computeChecksum returns the hash of the compact form without the checksum.
func (f file) computeChecksum() (remora.Hash, error) {
	f.Checksum = remora.Hash{}
	b, err := json.Marshal(f)
	return remora.SumBLAKE3(b), err
}

func (f *file) encodeJSON() ([]byte, error) {
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// decodeFile parses a key file and checks all that can be checked without the password.
func decodeFile(data []byte) (*file, error) {
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
	size := f.Kind.countSecrets() * SecretSize
	if size == 0 {
		return nil, fmt.Errorf("%w: unknown kind %.32q", ErrCorrupt, string(f.Kind))
	}
	if err := f.Crypto.checkFormat(size); err != nil {
		return nil, err
	}
	sum, err := f.computeChecksum()
	if err != nil {
		return nil, err
	}
	if sum != f.Checksum {
		return nil, fmt.Errorf("%w: checksum mismatch", ErrCorrupt)
	}
	return f, nil
}

// decryptKeys opens the keys of a decoded file.
func (f *file) decryptKeys(password []byte) (*Keys, error) {
	show, err := json.Marshal(f.shown)
	if err != nil {
		return nil, err
	}
	secret, err := f.Crypto.decryptSecret(password, show)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	k := &Keys{Kind: f.Kind, Public: f.Public}
	k.Secret.splitSecrets(f.Kind, secret)
	if err := k.checkComplete(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return k, nil
}
