package keystore

import "errors"

var (
	// ErrPassword says that the password does not open the file, or that someone changed what the file shows.
	ErrPassword = errors.New("wrong password")
	// ErrCorrupt says that the file is damaged, or not a key file at all.
	ErrCorrupt = errors.New("not an intact key file")
	// ErrPermissions refuses a key file that others than its owner can open.
	ErrPermissions = errors.New("key file is open to other users")
	// ErrKeys refuses a set of keys that is not exactly the one of its kind.
	ErrKeys = errors.New("keys do not match their kind")
	// ErrCost refuses a file whose key derivation would take more memory or time than any honest file.
	ErrCost = errors.New("key derivation cost out of bounds")
)
