package p2p

import (
	"slices"
	"testing"
	"time"
)

// TestTurns lets one peer flood beside two others that send now and then: each is served within a round of the line.
func TestTurns(t *testing.T) {
	line := newTurns(0)
	for range 3 {
		line.addPeer()
	}
	var served []int
	now := time.Unix(1, 0)
	line.joinLine(0)
	for i := range 9 {
		if i == 2 {
			line.joinLine(1)
			line.joinLine(1) // again: it stands in the line once
			line.joinLine(2)
		}
		peer, _, ok := line.chooseNext(now)
		if !ok {
			t.Fatal("nobody is served")
		}
		served = append(served, peer)
		if peer == 0 || i < 5 {
			line.joinLine(peer)
		}
	}
	if want := []int{0, 0, 0, 1, 2, 0, 1, 2, 0}; !slices.Equal(served, want) {
		t.Errorf("served %v, want %v", served, want)
	}
}

// TestRateOfAPeer floods at a rate of 10 KiB a second with frames of a byte: a second's worth comes at once, then ten a
// second, and another peer is served all the time.
func TestRateOfAPeer(t *testing.T) {
	line := newTurns(10 << 10)
	flooder, other := line.addPeer(), line.addPeer()
	began := time.Unix(1, 0)
	now, served := began, map[int]int{}
	for now.Sub(began) < 10*time.Second {
		line.joinLine(flooder)
		if now.Sub(began)%(200*time.Millisecond) == 0 {
			line.joinLine(other)
		}
		for range 1000 { // far more than the rate allows
			peer, wait, ok := line.chooseNext(now)
			if !ok {
				if wait <= 0 || wait > 100*time.Millisecond {
					t.Fatalf("the next turn is %v off", wait)
				}
				break
			}
			served[peer]++
			line.chargeFrame(peer, 1, now)
			if peer == flooder {
				line.joinLine(flooder)
			}
		}
		now = now.Add(50 * time.Millisecond)
	}
	if got := served[flooder]; got < 105 || got > 115 {
		t.Errorf("%d frames of the flooder in 10 s, want about 110", got)
	}
	if served[other] != 50 {
		t.Errorf("%d frames of the other, want all 50", served[other])
	}
}

// TestHeldPeer holds a peer again and again: it waits a second at most, and nobody else does.
func TestHeldPeer(t *testing.T) {
	line := newTurns(0)
	held, other := line.addPeer(), line.addPeer()
	now := time.Unix(1, 0)
	for range 100 {
		line.holdPeer(held, 100*time.Millisecond, now)
	}
	line.joinLine(held)
	line.joinLine(other)
	if peer, _, ok := line.chooseNext(now); !ok || peer != other {
		t.Errorf("served %d, %v; want the one that is not held", peer, ok)
	}
	if _, wait, ok := line.chooseNext(now); ok || wait != time.Second {
		t.Errorf("served %v, or waits %v; want a second", ok, wait)
	}
	if peer, _, ok := line.chooseNext(now.Add(time.Second)); !ok || peer != held {
		t.Error("held for longer than a second")
	}
}

// TestInboxIsBounded fills a peer's queue: it holds its frames or one frame's bytes, and other peers have room.
func TestInboxIsBounded(t *testing.T) {
	for _, tt := range []struct{ size, want int }{{1, inboxFrames}, {600, 1}, {250, 4}, {1000, 1}} {
		b := newInbox(Channel{Name: "dag", MaxFrame: 1000})
		flooder, other := b.addQueue("flooder"), b.addQueue("other")
		taken := 0
		for b.tryEnter(flooder, make([]byte, tt.size)) {
			taken++
		}
		if taken != tt.want {
			t.Errorf("%d frames of %d bytes wait, want %d", taken, tt.size, tt.want)
		}
		if !b.tryEnter(other, make([]byte, 1000)) {
			t.Error("another peer has no room")
		}
		now := time.Now()
		first, _, _ := b.takeNext(now)
		second, _, _ := b.takeNext(now)
		if first.Peer != "flooder" || second.Peer != "other" || !b.tryEnter(flooder, make([]byte, tt.size)) {
			t.Errorf("served %s, then %s", first.Peer, second.Peer)
		}
	}
}
