package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/remora-network/remora/node/devnet"
)

// SmallDisk is a file system under the data of one validator, with a filler file that leaves only some room. It needs a
// lab.
type SmallDisk struct {
	filler   string
	exitCode string // file with the validator's last exit code
}

// The size of a small disk in bytes, and the part that is free at first.
const (
	diskBytes = 320 << 20
	diskRoom  = 64 << 20
)

// MoveToSmallDisk moves the data of a stopped validator to a file system of a kind: tmpfs or ext4.
func (n *Network) MoveToSmallDisk(validator int, kind string) (*SmallDisk, error) {
	name, data := n.names[validator], filepath.Join(n.homes[validator], "data")
	base := filepath.Join(n.options.Dir, name)
	aside, image := base+".aside", base+".image"
	d := &SmallDisk{filler: filepath.Join(data, "filler"), exitCode: base + ".exit"}
	lines := []string{"mv " + data + " " + aside, "mkdir -m 700 " + data}
	switch kind {
	case "tmpfs":
		lines = append(lines, fmt.Sprintf("mount -t tmpfs -o mode=700,size=%d tmpfs %s", diskBytes, data))
	case "ext4": // the kernel frees the loop device with the mount, which ends with the lab
		lines = append(lines, fmt.Sprintf("truncate -s %d %s", diskBytes, image), "mkfs.ext4 -q -m 0 "+image, "mount -o loop "+image+" "+data)
	default:
		return nil, fmt.Errorf("file system %q: want tmpfs or ext4", kind)
	}
	for _, line := range append(lines, "cp -a "+aside+"/. "+data, "rm -r "+aside) {
		if err := runCommand(line); err != nil {
			return nil, err
		}
	}
	// The shell stays, to record the validator's exit code.
	record := `"$@"; echo $? >'` + d.exitCode + "'"
	return d, errors.Join(d.writeFiller(data), n.Relaunch(validator, Launch{Within: []string{"sh", "-c", record, "sh"}}))
}

// writeFiller fills the disk but for diskRoom.
func (d *SmallDisk) writeFiller(dir string) error {
	out, err := runWithInput("", "df --output=avail -B1 "+dir)
	if err != nil {
		return err
	}
	fields := strings.Fields(out)
	free, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
	if err != nil {
		return fmt.Errorf("df: %w", err)
	}
	return runCommand(fmt.Sprintf("fallocate -l %d %s", free-diskRoom, d.filler))
}

// MakeRoom removes the filler.
func (d *SmallDisk) MakeRoom() error { return os.Remove(d.filler) }

// Detach unmounts the file system from the validator's home, which can be removed afterwards.
func (d *SmallDisk) Detach() error {
	return os.NewSyscallError("unmount", syscall.Unmount(filepath.Dir(d.filler), syscall.MNT_DETACH))
}

// ExitCode waits until the validator has ended and returns its exit code.
func (d *SmallDisk) ExitCode(ctx context.Context) (int, error) {
	code := 0
	err := devnet.Poll(ctx, func() (bool, error) {
		text, err := os.ReadFile(d.exitCode)
		if errors.Is(err, os.ErrNotExist) || len(text) == 0 {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		code, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return true, err
	})
	return code, err
}
