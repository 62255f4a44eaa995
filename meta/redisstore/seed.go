package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// seedBytes is the length of a seed.
const seedBytes = 32

// errSeedFormat says that a seed was written by a build that this one does not know.
var errSeedFormat = errors.New("stored seed has an unknown format")

func (k keys) seed(name string) string { return k.prefix + "seed:" + name }

// Seed returns a secret of 32 random bytes, the same for every instance that asks for it by that name. The first one
// makes it; it never changes, unless Redis loses it.
func (s *Store) Seed(ctx context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 1+seedBytes)
	fresh[0] = 1
	if _, err := io.ReadFull(s.random, fresh[1:]); err != nil {
		return nil, fmt.Errorf("make seed: %w", err)
	}
	t := s.trip()
	t.pipe.SetNX(ctx, s.keys.seed(name), fresh, 0)
	kept := t.pipe.Get(ctx, s.keys.seed(name))
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("get seed: %w", err)
	}
	value, err := kept.Bytes()
	if err == nil && (len(value) != 1+seedBytes || value[0] != 1) {
		err = errSeedFormat
	}
	if err != nil {
		return nil, fmt.Errorf("get seed: %w", err)
	}
	return value[1:], nil
}
