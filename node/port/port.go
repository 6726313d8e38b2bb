// Package port finds the process that listens on a TCP port, for errors that tell an operator what to stop.
package port

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Holder describes the process that listens on a TCP port, as far as the proc file system shows it to this user.
func Holder(number int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		collectListeners(table, number, inodes)
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil || len(inodes) == 0 {
		return "another process"
	}
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !inodes[target] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			command = nil
		}
		line := strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
		return fmt.Sprintf("process %s (%.120s)", filepath.Base(dir), line)
	}
	return "a process of another user"
}

// collectListeners adds the link targets of the sockets in a table that listen on a port: proc(5), column local_address
// and state 0A.
func collectListeners(table string, number int, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", number)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		column := strings.Fields(lines.Text())
		if len(column) > 9 && column[3] == "0A" && strings.HasSuffix(column[1], suffix) {
			inodes["socket:["+column[9]+"]"] = true
		}
	}
}
