package auth

import (
	"errors"

	"lmqgate/meta/access"
)

// Methods offers what several offer.
type Methods []access.Enhanced

var _ access.Enhanced = Methods(nil)

// Methods implements access.Enhanced.
func (m Methods) Methods() (names []string) {
	for _, one := range m {
		names = append(names, one.Methods()...)
	}
	return names
}

// Begin implements access.Enhanced.
func (m Methods) Begin(l *access.Login, method string) (access.Exchange, error) {
	for _, one := range m {
		if x, err := one.Begin(l, method); !errors.Is(err, access.ErrIgnore) {
			return x, err
		}
	}
	return nil, access.ErrIgnore
}
