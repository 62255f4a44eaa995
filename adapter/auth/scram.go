package auth

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/xdg-go/scram"

	"lmqgate/meta/access"
)

// MethodSCRAM is the authentication method that SCRAM offers.
const MethodSCRAM = "SCRAM-SHA-256"

// SCRAMConfig says who may log in.
type SCRAMConfig struct {
	Users []access.ScramCredential
	// Username and Password are one user more, whose password is salted at the first login; Password is cleared then.
	// "" = none.
	Username string
	Password []byte
	// Seed returns a secret of 32 bytes, the same on all instances for ever. From it are made the salts that unknown users
	// are shown: they must not change from one instance or start to the next while those of real users stay. It is asked
	// once, at the first login, and again after an error. nil: a random one, for a single instance.
	Seed func(ctx context.Context) ([]byte, error)
	// Nonce returns the server's part of a nonce, printable ASCII without comma. nil: 24 random bytes in Base64.
	Nonce func() string
}

// SCRAM offers SCRAM-SHA-256 (RFC 5802, RFC 7677) as enhanced authentication of MQTT 5.0, without channel binding. An
// unknown user goes through the same exchange as a known one and is told no more than that the proof is wrong. It has
// no opinion about logins with user name and password, so in a chain it leaves them to others. Safe for concurrent use.
type SCRAM struct {
	seed  func(ctx context.Context) ([]byte, error)
	nonce func() string

	mu       sync.Mutex // protects the fields below
	users    *scramUsers
	known    []access.ScramCredential
	username string
	password []byte
}

var (
	_ access.Verifier = (*SCRAM)(nil)
	_ access.Enhanced = (*SCRAM)(nil)
)

// NewSCRAM returns a SCRAM for at least one user.
func NewSCRAM(cfg SCRAMConfig) (*SCRAM, error) {
	if len(cfg.Users) == 0 && cfg.Username == "" {
		return nil, errors.New("configure scram: no users")
	}
	s := &SCRAM{seed: cfg.Seed, nonce: cfg.Nonce, known: cfg.Users, username: cfg.Username, password: cfg.Password}
	if s.seed == nil {
		random := make([]byte, sha256.Size)
		_, _ = rand.Read(random) // never fails
		s.seed = func(context.Context) ([]byte, error) { return random, nil }
	}
	if cfg.Username != "" { // a wrong one is found now and not by the first client
		if _, err := access.NewScramCredential(cfg.Username, string(cfg.Password), make([]byte, saltBytes), access.MinScramIterations); err != nil {
			return nil, fmt.Errorf("configure scram: %w", err)
		}
	}
	return s, nil
}

// Verify implements access.Verifier: SCRAM is no matter of user name and password in CONNECT.
func (*SCRAM) Verify(context.Context, *access.Login) (access.Identity, error) {
	return access.Identity{}, access.ErrIgnore
}

// Methods implements access.Enhanced.
func (*SCRAM) Methods() []string { return []string{MethodSCRAM} }

// Begin implements access.Enhanced.
func (s *SCRAM) Begin(l *access.Login, method string) (access.Exchange, error) {
	if method != MethodSCRAM {
		return nil, access.ErrIgnore
	}
	return &scramExchange{scram: s, login: l}, nil
}

// ready returns the users once the seed is known.
func (s *SCRAM) ready(ctx context.Context) (*scramUsers, error) {
	s.mu.Lock()
	users := s.users
	s.mu.Unlock()
	if users != nil {
		return users, nil
	}
	seed, err := s.seed(ctx)
	if err != nil {
		return nil, fmt.Errorf("get seed of scram: %w: %w", access.ErrUnavailable, err)
	}
	if len(seed) < sha256.Size {
		return nil, fmt.Errorf("get seed of scram: %d bytes only: %w", len(seed), access.ErrUnavailable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == nil {
		if s.users, err = s.salted(seed); err != nil {
			return nil, fmt.Errorf("salt passwords: %w: %w", access.ErrUnavailable, err)
		}
	}
	return s.users, nil
}

// salted makes the users, and forgets the password that came without salt. It is called under mu.
func (s *SCRAM) salted(seed []byte) (*scramUsers, error) {
	u := &scramUsers{seed: seed, known: s.known, byName: make(map[string]*access.ScramCredential)}
	if s.username != "" {
		name, err := access.PrepareScramName(s.username)
		if err != nil {
			return nil, err
		}
		salt := u.derive("salt", name, saltBytes) // as that of somebody unknown
		c, err := access.NewScramCredential(name, string(s.password), salt, access.DefaultScramIterations)
		if err != nil {
			return nil, err
		}
		u.known = append(u.known[:len(u.known):len(u.known)], c)
		clear(s.password)
		s.password = nil
	}
	for i := range u.known {
		u.byName[u.known[i].Name] = &u.known[i]
	}
	return u, nil
}

// saltBytes is the length of salts made here.
const saltBytes = 16

// scramUsers are the credentials, and what stands in for those of nobody. Not changed once made.
type scramUsers struct {
	seed   []byte
	known  []access.ScramCredential
	byName map[string]*access.ScramCredential
}

// find returns the credential of a prepared name. Of an unknown one it returns what looks like one: always the same
// for a name, with salt and iterations as some real user has them, and keys that fit no password.
func (u *scramUsers) find(name string) (c scram.StoredCredentials, known bool) {
	like := &u.known[binary.BigEndian.Uint64(u.derive("like", name, 8))%uint64(len(u.known))]
	found := &access.ScramCredential{
		Iterations: like.Iterations, Salt: u.derive("salt", name, len(like.Salt)),
		StoredKey: u.derive("stored", name, sha256.Size), ServerKey: u.derive("server", name, sha256.Size),
	}
	if real := u.byName[name]; real != nil {
		found, known = real, true
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(found.Salt), Iters: found.Iterations},
		StoredKey:  found.StoredKey, ServerKey: found.ServerKey,
	}, known
}

// derive makes n bytes of the seed for a use and a name; n is 64 at most.
func (u *scramUsers) derive(use, name string, n int) []byte {
	b, err := hkdf.Expand(sha256.New, u.seed, use+"\x00"+name, n)
	if err != nil { // only of lengths that nobody asks for
		return make([]byte, n)
	}
	return b
}
