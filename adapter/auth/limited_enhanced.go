package auth

import (
	"context"

	"lmqgate/meta/access"
)

// Enhanced limits enhanced authentication too: its failures count with those of Verify, by the address and the user name of
// CONNECT.
func (v *Limited) Enhanced(under access.Enhanced) access.Enhanced {
	if v.Failures <= 0 {
		return under
	}
	return limitedMethods{under, v}
}

type limitedMethods struct {
	access.Enhanced
	v *Limited
}

// Begin implements access.Enhanced.
func (m limitedMethods) Begin(l *access.Login, method string) (access.Exchange, error) {
	keys := limitKeys(l)
	if m.v.over(keys) {
		return nil, errOver
	}
	x, err := m.Enhanced.Begin(l, method)
	if err != nil {
		return nil, err
	}
	return &limitedExchange{x, m.v, keys}, nil
}

type limitedExchange struct {
	under access.Exchange
	v     *Limited
	keys  []string
}

// Next implements access.Exchange.
func (x *limitedExchange) Next(ctx context.Context, data []byte) ([]byte, *access.Identity, error) {
	reply, id, err := x.under.Next(ctx, data)
	if (err != nil || id != nil) && x.v.tooLate(x.keys, err) {
		return nil, nil, errOver
	}
	return reply, id, err
}
