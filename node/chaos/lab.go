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

// Lab returns a command that runs a program in a world of its own: namespaces of mounts, processes and the network. What
// is mounted, linked or started in there ends with the program, however that ends, and nothing outside can be reached.
// It takes root. The program begins with EnterLab. Whoever runs the command stays on one thread: the kernel ends the lab
// with it.
func Lab(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Env = append(os.Environ(), labMark+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd
}

// EnterLab makes the lab usable: mounts that stay inside, the processes of the lab in /proc, room for the names of
// network namespaces, and a loopback.
func EnterLab() error {
	return errors.Join(
		os.NewSyscallError("make mounts private", syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")),
		os.NewSyscallError("mount /proc", syscall.Mount("proc", "/proc", "proc", 0, "")),
		os.NewSyscallError("mount /run", syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755")),
		command("ip link set lo up"),
	)
}

// command runs a program by its words.
func command(line string) error {
	_, err := feed("", line)
	return err
}

// feed runs a program with something on its input, and returns its output.
func feed(input, line string) (string, error) {
	words := strings.Fields(line)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", line, err, out)
	}
	return string(out), nil
}
