package keystore

import "errors"

var (
	// ErrPassword means that the password does not open the file, or that its public part was changed.
	ErrPassword = errors.New("wrong password")
	// ErrCorrupt means that the file is damaged or not a key file.
	ErrCorrupt = errors.New("not an intact key file")
	// ErrPermissions means that users other than the owner can open the key file.
	ErrPermissions = errors.New("key file is open to other users")
	// ErrKeys means that a set of keys does not match its kind.
	ErrKeys = errors.New("keys do not match their kind")
	// ErrCost means that key derivation would take more memory or time than for any file that Save writes.
	ErrCost = errors.New("key derivation cost out of bounds")
)
