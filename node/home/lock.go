package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Holder is the process that holds a lock.
type Holder struct {
	Pid     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// Lock is a held lock. The kernel releases it when the process ends.
type Lock struct{ file *os.File }

// lockWait bounds the attempts to lock: Holds may hold the lock for a moment.
const lockWait = 250 * time.Millisecond

// Lock makes this process the only user of the home. The error names the process that holds the lock.
func (h *Home) Lock() (*Lock, error) { return LockFile(h.path(lockFile)) }

// Running returns the process that holds the home's lock, false if there is none.
func (h *Home) Running() (Holder, bool, error) { return Holds(h.path(lockFile)) }

// LockFile creates the file at path, locks it and writes this process into it.
func LockFile(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := acquireLock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	me, err := json.Marshal(Holder{Pid: os.Getpid(), Command: commandLine(os.Args), Since: time.Now().Truncate(time.Second)})
	if err == nil {
		err = rewriteFile(f, append(me, '\n'))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write lock: %w", err), f.Close())
	}
	return &Lock{file: f}, nil
}

func acquireLock(f *os.File) error {
	for end := time.Now().Add(lockWait); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("lock %q: %w", f.Name(), err)
		}
		if time.Now().After(end) {
			return lockedError(f.Name())
		}
	}
}

func lockedError(path string) error {
	dir := filepath.Dir(path)
	holder, err := readHolder(path)
	if err != nil {
		return fmt.Errorf("%w: %q is locked by another process", ErrLocked, dir)
	}
	return fmt.Errorf("%w: %q is locked by process %d (%s) since %s; stop that process first, or use another --home",
		ErrLocked, dir, holder.Pid, holder.Command, holder.Since.Format(time.DateTime))
}

func rewriteFile(f *os.File, data []byte) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(data, 0)
	return err
}

// Release releases the lock.
func (l *Lock) Release() error { return l.file.Close() }

// Holds returns the process that holds the lock at path. It does not wait and does not take the lock.
func Holds(path string) (Holder, bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, fmt.Errorf("read lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err := errors.Join(ignoreWouldBlock(err), f.Close()); err != nil {
		return Holder{}, false, fmt.Errorf("read lock %q: %w", path, err)
	}
	if err == nil {
		return Holder{}, false, nil
	}
	holder, err := readHolder(path)
	return holder, true, err
}

func ignoreWouldBlock(err error) error {
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	return err
}

func readHolder(path string) (Holder, error) {
	var h Holder
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	if err != nil {
		return h, fmt.Errorf("the lock %q is held by an unknown process: %w", path, err)
	}
	return h, nil
}

// commandLine joins arguments without control characters and shortens the result.
func commandLine(args []string) string {
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.Join(args, " "))
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return line
}
