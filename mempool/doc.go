// Package mempool is the Narwhal primary of one authority as a pure state machine. It proposes headers, votes for the
// headers of others, aggregates votes into certificates and releases certificates in causal order.
// See Danezis et al., "Narwhal and Tusk", EuroSys 2022, §3.
//
// # Usage
//
// Build a Core with New from a Config and the Snapshot that the disk holds; a fresh term starts from the zero Snapshot.
// Then drive it from one goroutine:
//
//	for {
//		select {
//		case <-ticker.C:
//			core.Tick(now())
//		case m := <-messages: // decoded, authenticated, signatures verified
//			if err := core.Step(m); errors.Is(err, mempool.ErrSafety) || errors.Is(err, mempool.ErrTwin) {
//				return err // sign nothing more
//			}
//		}
//		for ready, ok := core.Ready(); ok; ready, ok = core.Ready() {
//			persist(ready.Persist, ready.Sync) // a failed write ends the process
//			send(ready.Send)
//			request(ready.Want)
//			order(ready.Delivered) // to consensus; its sub-DAGs come back as Ordered
//			observe(ready.Events)
//			core.Advance(ready)
//		}
//	}
//
// The order of the fields of Ready is binding: persist before you send. Everything else may run in parallel with the
// loop and come back as a Message.
//
// # Guarantees
//
// The core has no clock, goroutine, disk or randomness: the same calls in the same order give the same results, byte for
// byte. It never modifies what it was given, and the caller must not modify what it hands out.
//
// An authority whose shell keeps this contract makes at most one header per round and votes at most once per author and
// round, also across crashes. Delivered certificates come after all their parents above the GC round, each once.
// Peers cannot make it keep anything more than 2·GCDepth rounds above its own round.
package mempool
