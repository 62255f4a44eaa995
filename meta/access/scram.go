package access

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// Bounds of SCRAM credentials.
const (
	MinScramIterations     = 4096 // RFC 7677 section 4
	MaxScramIterations     = 10_000_000
	DefaultScramIterations = 15_000 // what RFC 7677 recommends
	minScramSalt           = 8
	maxScramSalt           = 64
	maxScramName           = 256 // bytes
)

// scramMark stands between a name and its keys in a line.
const scramMark = ":SCRAM-SHA-256$"

// ErrScramLine says that a line is no SCRAM credential, or one out of bounds. It never repeats what the line holds.
var ErrScramLine = errors.New("not a line of the form name:SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, " +
	"with 4096 to 10000000 iterations and 8 to 64 bytes of salt")

// ScramCredential is what a server keeps of a user's password for SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677). The
// password does not follow from it, but who has it can guess at the password and pose as the server to this user.
type ScramCredential struct {
	Name       string // prepared with SASLprep (RFC 4013)
	Iterations int
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
}

// NewScramCredential salts a password.
func NewScramCredential(name, password string, salt []byte, iterations int) (ScramCredential, error) {
	c := ScramCredential{Iterations: iterations, Salt: salt}
	var err error
	if c.Name, err = PrepareScramName(name); err != nil {
		return ScramCredential{}, err
	}
	prepared, err := stringprep.SASLprep.Prepare(password)
	if err != nil || prepared == "" {
		return ScramCredential{}, errors.New("the password is empty or has characters that SASLprep (RFC 4013) prohibits")
	}
	if !c.bounded() {
		return ScramCredential{}, fmt.Errorf("give %d to %d iterations and %d to %d bytes of salt",
			MinScramIterations, MaxScramIterations, minScramSalt, maxScramSalt)
	}
	salted, err := pbkdf2.Key(sha256.New, prepared, salt, iterations, sha256.Size)
	if err != nil {
		return ScramCredential{}, fmt.Errorf("salt password: %w", err)
	}
	clientKey := scramHMAC(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	c.StoredKey, c.ServerKey = stored[:], scramHMAC(salted, "Server Key")
	return c, nil
}

func scramHMAC(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// PrepareScramName returns a user name as it is compared.
func PrepareScramName(name string) (string, error) {
	prepared, err := stringprep.SASLprep.Prepare(name)
	if err != nil || prepared == "" || len(prepared) > maxScramName || !utf8.ValidString(prepared) {
		return "", fmt.Errorf("a user name has 1 to %d bytes and no characters that SASLprep (RFC 4013) prohibits", maxScramName)
	}
	return prepared, nil
}

func (c *ScramCredential) bounded() bool {
	return c.Iterations >= MinScramIterations && c.Iterations <= MaxScramIterations &&
		len(c.Salt) >= minScramSalt && len(c.Salt) <= maxScramSalt
}

// ParseScramCredential reads a line as Line writes it: the name, and behind a colon what PostgreSQL keeps of a password
// in pg_authid.rolpassword. A name may have colons.
func ParseScramCredential(line string) (ScramCredential, error) {
	at := strings.LastIndex(line, scramMark)
	if at < 0 {
		return ScramCredential{}, ErrScramLine
	}
	name, err := PrepareScramName(line[:at])
	if err != nil {
		return ScramCredential{}, err
	}
	factors, keys, ok1 := strings.Cut(line[at+len(scramMark):], "$")
	iterations, salt, ok2 := strings.Cut(factors, ":")
	stored, server, ok3 := strings.Cut(keys, ":")
	if !ok1 || !ok2 || !ok3 {
		return ScramCredential{}, ErrScramLine
	}
	c := ScramCredential{Name: name}
	var errs [4]error
	c.Iterations, errs[0] = strconv.Atoi(iterations)
	c.Salt, errs[1] = base64.StdEncoding.DecodeString(salt)
	c.StoredKey, errs[2] = base64.StdEncoding.DecodeString(stored)
	c.ServerKey, errs[3] = base64.StdEncoding.DecodeString(server)
	if errors.Join(errs[:]...) != nil || !c.bounded() || len(c.StoredKey) != sha256.Size || len(c.ServerKey) != sha256.Size {
		return ScramCredential{}, ErrScramLine
	}
	return c, nil
}

// Line is the credential in the form that ParseScramCredential reads.
func (c ScramCredential) Line() string {
	b64 := base64.StdEncoding.EncodeToString
	return c.Name + scramMark + strconv.Itoa(c.Iterations) + ":" + b64(c.Salt) + "$" + b64(c.StoredKey) + ":" + b64(c.ServerKey)
}

// Format shows the name only, whatever the verb: the keys are for Line alone.
func (c ScramCredential) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte(c.Name + ":SCRAM-SHA-256"))
}

// MarshalText keeps the keys out of JSON and of every other encoding that asks for text.
func (c ScramCredential) MarshalText() ([]byte, error) { return []byte(c.Name + ":SCRAM-SHA-256"), nil }
