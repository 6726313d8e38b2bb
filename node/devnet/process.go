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
	// pollInterval is the time between two looks at a process that starts or ends.
	pollInterval = 20 * time.Millisecond
	// stopWait bounds a graceful stop. It is a little longer than the node's own limit.
	stopWait = 12 * time.Second
	// shownLog is the number of bytes of a node's log that an error shows.
	shownLog = 2000
)

// process is a node that this process started.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended and been reaped
}

// startProcess starts a node in its own session, so that signals of the caller's terminal do not reach it, and without the
// caller's open files.
func startProcess(binary, dir string, flags ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the node's log: %w", err)
	}
	cmd := exec.Command(binary, append([]string{"run", "--home", dir}, flags...)...)
	cmd.Args[0] = "remora"
	cmd.Dir, cmd.Env = dir, nodeEnvironment(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	closeFilesOnExec()
	err = cmd.Start()
	if err := errors.Join(err, log.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // the reason is in its log
	}()
	return p, nil
}

// closeFilesOnExec marks inherited files as close-on-exec: a parent may wait for the end of a pipe. Go marks the files that
// it opens.
func closeFilesOnExec() {
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

// nodeEnvironment removes REMORA_ settings, which would give every node the same ports.
func nodeEnvironment(env []string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, "REMORA_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// findProcess returns the process id of the node that uses a home, 0 if there is none. The lock tells whether a node runs;
// the arguments of the process must name the home, so that a reused process id is never signalled.
func findProcess(dir string) (int, error) {
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(pollInterval) {
		holder, held, err := home.Holds(filepath.Join(dir, "lock"))
		if !held {
			return 0, err
		}
		if err == nil && slices.Contains(processArguments(holder.Pid), dir) {
			return holder.Pid, nil
		}
		if time.Now().After(end) { // a starting process has had time to write its id
			return 0, errors.Join(fmt.Errorf("%q is in use by an unknown process", dir), err)
		}
	}
}

// processArguments returns the command line of a process, nil if there is no such process.
func processArguments(pid int) []string {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
}

// signalProcess sends a signal to the node that uses dir, if any.
func signalProcess(dir string, s syscall.Signal) error {
	pid, err := findProcess(dir)
	if err != nil || pid == 0 {
		return err
	}
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}

// awaitStop waits until no process uses dir.
func awaitStop(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	return Poll(ctx, func() (bool, error) {
		_, held, err := home.Holds(filepath.Join(dir, "lock"))
		if held { // by a process that is ending
			return false, nil
		}
		return true, err
	})
}

// Poll calls done at short intervals until it returns true or an error, or the context ends.
func Poll(ctx context.Context, done func() (bool, error)) error {
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if Pause(ctx, pollInterval); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// Pause waits for d or the end of the context.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// readLogEnd returns the end of a node's log.
func readLogEnd(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		return err.Error()
	}
	if len(data) > shownLog {
		data = data[len(data)-shownLog:]
	}
	return strings.TrimSpace(string(data))
}
