package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// labMark is set in the environment of a program in a lab.
const labMark = "CHAOS_LAB"

// InLab reports whether this program runs in a lab.
func InLab() bool { return os.Getenv(labMark) != "" }

// Lab returns a command that runs a program in namespaces of its own for mounts, processes and the network. Whatever is
// mounted, linked or started there ends with the program, however it ends, and nothing outside can be reached. It needs
// root. The program must begin with EnterLab. The goroutine that runs the command must be locked to its thread: the
// kernel ends the lab with it.
func Lab(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Env = append(os.Environ(), labMark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd
}

// EnterLab prepares the lab: mounts that stay inside, the lab's processes in /proc, a place for the names of network
// namespaces, and a loopback.
func EnterLab() error {
	return errors.Join(
		os.NewSyscallError("make mounts private", syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")),
		os.NewSyscallError("mount /proc", syscall.Mount("proc", "/proc", "proc", 0, "")),
		os.NewSyscallError("mount /run", syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755")),
		runCommand("ip link set lo up"),
	)
}

// runCommand runs a command line, which is split at spaces.
func runCommand(line string) error {
	_, err := runWithInput("", line)
	return err
}

// runWithInput runs a command line with an input and returns its output.
func runWithInput(input, line string) (string, error) {
	words := strings.Fields(line)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", line, err, out)
	}
	return string(out), nil
}
