// Package keystore keeps secret keys in encrypted files.
//
// A key file holds the whole set of keys of one kind of owner. It is written once, atomically, and never overwritten:
// a lost key is an accident that no flag should make easy. Its public halves can be read without the password.
package keystore
