// Package flight records the input of a validator's cores, so that a crash or a divergence of a running node can be
// replayed: in a debugger, step by step, with the same outcome.
//
// The shell builds its cores with [Recorder.Start], and calls [Recorder.Step], [Recorder.Tick] and [Recorder.Took] before
// it passes a message or a tick to the mempool core or carries out its work. [Replay] runs a recording again.
//
// A recording begins with the snapshot from which the cores were built. Every message and tick is written before the
// cores see it, followed by the signatures that it caused: a replay needs no keys. Whenever the shell takes work from the
// cores, a hash over all work so far is written, so that a replay shows the first difference.
//
// Recordings are written to the operating system and not synced: they survive the end of the process, and may lose their
// tail in a power failure. They hold no secret keys, but every message received from the network.
package flight
