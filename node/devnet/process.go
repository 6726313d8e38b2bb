package devnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/remora-network/remora/node/home"
)

const (
	// look is the distance of two looks at a process that starts or ends.
	look = 20 * time.Millisecond
	// stopWait is how long a node may take to stop in order: a little more than the node allows itself.
	stopWait = 12 * time.Second
	// shownLog is how much of a node's log an error shows.
	shownLog = 2000
)

// process is a node's process that this process started.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and been reaped
}

// spawn starts a node in a session of its own, so that nothing that happens to the caller's terminal reaches it, and with
// nothing of the caller's open.
func spawn(binary, dir string, flags ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the node's log: %w", err)
	}
	cmd := exec.Command(binary, append([]string{"run", "--home", dir}, flags...)...)
	cmd.Args[0] = "remora"
	cmd.Dir, cmd.Env = dir, environment(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	keepFiles()
	err = cmd.Start()
	if err := errors.Join(err, log.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // how it ended is in its log
	}()
	return p, nil
}

// keepFiles keeps from the processes that are started what this one inherited: somebody may wait for the end of a pipe.
// What Go opens it keeps by itself.
func keepFiles() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// environment drops the caller's REMORA_ settings: they would give every node the same ports.
func environment(env []string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, "REMORA_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// running returns the process id of the node that uses a home, 0 when there is none. The kernel's lock says whether
// there is one, and the process must name the home: a number that now belongs to another process is never signalled.
func running(dir string) (int, error) {
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(look) {
		holder, held, err := home.Holds(filepath.Join(dir, "lock"))
		if !held {
			return 0, err
		}
		if err == nil && slices.Contains(arguments(holder.Pid), dir) {
			return holder.Pid, nil
		}
		if time.Now().After(end) { // it was just starting, and has had time to write its name
			return 0, errors.Join(fmt.Errorf("%q is in use by a process that does not say who it is", dir), err)
		}
	}
}

// arguments returns the command line of a process, none when there is no such process.
func arguments(pid int) []string {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
}

// signal sends a signal to the node that uses dir, if there is one.
func signal(dir string, s syscall.Signal) error {
	pid, err := running(dir)
	if err != nil || pid == 0 {
		return err
	}
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}

// waitStopped waits until no process uses dir.
func waitStopped(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	return Poll(ctx, func() (bool, error) {
		_, held, err := home.Holds(filepath.Join(dir, "lock"))
		if held { // by a process that is just ending: what it wrote into the lock no longer matters
			return false, nil
		}
		return true, err
	})
}

// Poll looks until done holds or fails, or the context ends.
func Poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tail returns the end of a node's log.
func tail(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		return err.Error()
	}
	if len(data) > shownLog {
		data = data[len(data)-shownLog:]
	}
	return strings.TrimSpace(string(data))
}
