package stream

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strings"
	"sync"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
)

// sealBytes is how much of an HMAC-SHA256 stands behind a position.
const sealBytes = 12

// seals has the key with which all instances seal positions, so that nobody goes on from one that no instance gave to this very
// caller for these very filters.
type seals struct {
	secret func(ctx context.Context) ([]byte, error)

	mu  sync.Mutex // protects key
	key []byte     // nil: not known yet
}

// get returns the key; the error is the store's.
func (s *seals) get(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == nil {
		key, err := s.secret(ctx)
		if err != nil {
			return nil, err
		}
		s.key = key
	}
	return s.key, nil
}

// seal names a stream and proves positions in it.
type seal struct {
	session string // client id
	mac     hash.Hash
	sum     []byte
}

func newSeal(key []byte, session string) *seal {
	return &seal{session: session, mac: hmac.New(sha256.New, key)}
}

// of is the seal of a position.
func (s *seal) of(p message.Position) string {
	s.mac.Reset()
	s.mac.Write([]byte(s.session))
	s.mac.Write([]byte{0})
	s.mac.Write([]byte(p))
	s.sum = s.mac.Sum(s.sum[:0])
	return base64.RawURLEncoding.EncodeToString(s.sum[:sealBytes])
}

// unseal takes the position out of what a caller shows; false: it is none of this stream.
func (s *seal) unseal(shown string) (message.Position, bool) {
	position, said, ok := strings.Cut(shown, ".")
	return message.Position(position), ok && hmac.Equal([]byte(said), []byte(s.of(message.Position(position))))
}

// bind makes the seal of what is asked for, and looks at the position that the caller shows.
func (h *Handler) bind(ctx context.Context, a *asked, c *web.Caller) error {
	key, err := h.seals.get(ctx)
	if err != nil {
		return web.Later(503, 2, "messages cannot be read now, try again")
	}
	a.seal = newSeal(key, a.name(c))
	if a.shown == "" {
		return nil
	}
	var ok bool
	if a.from, ok = a.seal.unseal(a.shown); !ok {
		return web.Refuse(400, "Last-Event-ID or after= is no id of a message of yours from these filters; begin without one")
	}
	return nil
}
