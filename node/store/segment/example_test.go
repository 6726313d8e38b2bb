package segment_test

import (
	"fmt"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/segment"
)

// A writer appends the queued records, syncs once, and then acknowledges all of them.
func Example() {
	log, damage, err := segment.Open(vfs.NewMem(), "/batches", segment.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println("damaged:", len(damage))
	first := []byte("first batch")
	for _, payload := range [][]byte{first, []byte("second batch")} {
		if _, err := log.Append(segment.Record{Digest: remora.SumBLAKE3(payload), Payload: payload}); err != nil {
			panic(err)
		}
	}
	fmt.Println("durable:", log.Sync() == nil)
	payload, err := log.Get(remora.SumBLAKE3(first))
	fmt.Println(string(payload), err)
	fmt.Println(log.Close())
	// Output:
	// damaged: 0
	// durable: true
	// first batch <nil>
	// <nil>
}
