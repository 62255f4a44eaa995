package cli

import (
	"bufio"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"lmqgate/meta/access"
)

// maxPassword is the longest password taken from standard input, in bytes.
const maxPassword = 1024

// scram prints what AUTH_SCRAM_USERS or a line of AUTH_SCRAM_USERS_FILE holds for a user, of a password that is read
// from standard input: one line, and on a terminal without being shown.
func (s streams) scram(args []string) error {
	set := flag.NewFlagSet("scram", flag.ContinueOnError)
	set.SetOutput(s.err)
	iterations := set.Int("iterations", access.DefaultScramIterations, "rounds of PBKDF2 that a client has to compute")
	set.Usage = func() {
		fmt.Fprint(s.err, "usage: lmqgate scram [flags] USER\n\nThe password is read from standard input.\n\n")
		set.PrintDefaults()
	}
	rest, err := interleaved(set, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	case len(rest) != 1:
		set.Usage()
		return errUsage
	}
	password, err := s.password()
	if err != nil {
		return err
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	c, err := access.NewScramCredential(rest[0], password, salt, *iterations)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, c.Line())
	return err
}

// password reads one line, without its end.
func (s streams) password() (string, error) {
	if f, ok := s.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(s.err, "password: ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(s.err)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		return string(b), nil
	}
	line, err := bufio.NewReader(io.LimitReader(s.in, maxPassword+1)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	if len(line) > maxPassword {
		return "", fmt.Errorf("read password: over %d bytes", maxPassword)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
