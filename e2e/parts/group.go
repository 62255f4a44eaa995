package parts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// RunGroup runs a command in a process group of its own and returns its exit status. A signal on stop is passed on to the
// group once; what has not ended some seconds later is killed. Whatever the command leaves behind is killed too. The
// error says why there is no exit status; the status is then 1, or 128 + the signal's number as in a shell.
func RunGroup(cmd *exec.Cmd, stop <-chan os.Signal) (int, error) {
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	var err error
	select {
	case err = <-exited:
	case sig := <-stop:
		number, ok := sig.(syscall.Signal)
		if !ok {
			number = syscall.SIGTERM
		}
		_ = signalGroup(cmd.Process, number)
		select {
		case err = <-exited:
		case <-time.After(stopLimit):
			_ = signalGroup(cmd.Process, syscall.SIGKILL)
			err = <-exited
		}
	}
	_ = signalGroup(cmd.Process, syscall.SIGKILL)
	return status(cmd, err)
}

func status(cmd *exec.Cmd, err error) (int, error) {
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &ended):
		return 1, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	if code := ended.ExitCode(); code >= 0 {
		return code, nil
	}
	if w, ok := ended.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal()), fmt.Errorf("%s ended by signal: %v", cmd.Path, w.Signal())
	}
	return 1, err
}
