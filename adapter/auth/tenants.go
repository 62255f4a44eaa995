package auth

import (
	"context"
	"fmt"
	"strings"

	"lmqgate/meta/access"
	"lmqgate/meta/topic"
)

// Tenants finds a user's tenant in the user name: what stands before the first Separator; behind it is the user's name among
// those of the tenant. A name without separator, or with a tenant said by the verifier itself, stays as it is. What an anonymous
// client calls itself is not looked at.
type Tenants struct {
	Verifier  access.Verifier
	Separator string
}

var _ access.Verifier = Tenants{}

// Verify implements access.Verifier. A verified user name with a separator but no tenant, or no user, is refused.
func (t Tenants) Verify(ctx context.Context, l *access.Login) (access.Identity, error) {
	id, err := t.Verifier.Verify(ctx, l)
	if err != nil {
		return id, err
	}
	return t.split(id)
}

// Enhanced is the same for enhanced authentication.
func (t Tenants) Enhanced(under access.Enhanced) access.Enhanced { return tenantMethods{under, t} }

func (t Tenants) split(id access.Identity) (access.Identity, error) {
	if id.Tenant != "" || id.Method == access.MethodAnonymous {
		return id, nil
	}
	tenant, user, found := strings.Cut(id.Username, t.Separator)
	switch {
	case !found:
		return id, nil
	case !topic.ValidTenant(tenant) || user == "":
		return access.Identity{}, fmt.Errorf("the user name has no tenant and user around the separator: %w", access.ErrDenied)
	}
	id.Tenant, id.Username = tenant, user
	return id, nil
}

type tenantMethods struct {
	access.Enhanced
	t Tenants
}

// Begin implements access.Enhanced.
func (m tenantMethods) Begin(l *access.Login, method string) (access.Exchange, error) {
	x, err := m.Enhanced.Begin(l, method)
	if err != nil {
		return nil, err
	}
	return tenantExchange{x, m.t}, nil
}

type tenantExchange struct {
	under access.Exchange
	t     Tenants
}

// Next implements access.Exchange.
func (x tenantExchange) Next(ctx context.Context, data []byte) ([]byte, *access.Identity, error) {
	reply, id, err := x.under.Next(ctx, data)
	if err != nil || id == nil {
		return reply, id, err
	}
	split, err := x.t.split(*id)
	if err != nil {
		return nil, nil, err
	}
	return reply, &split, nil
}
