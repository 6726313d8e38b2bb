// Package keystore keeps secret keys in encrypted files, and beside a node's keys a record of how far they have signed.
//
// Save writes a key file with all keys of an account or a node. It is written once, atomically, and never overwritten.
// Load opens it with the password; Peek reads the public halves without it.
//
// SaveRecord and LoadRecord keep the signing record, which a node consults before it signs after a restart. Export and
// Import move keys and record to another machine together.
package keystore
