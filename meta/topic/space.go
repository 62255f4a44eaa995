package topic

import (
	"errors"
	"strings"
)

// Several tenants share one fleet, each with a topic space and client ids of its own. This file is the only place where names are
// put into a space and taken out of it. Inside the gateway, in Redis and in RocketMQ, what is a tenant's has one form:
//
//	a topic name   T/x            $tenant/<tenant>/T/x
//	a filter       T/#            $tenant/<tenant>/T/#
//	               $share/g/T/#   $share/g/$tenant/<tenant>/T/#
//	a client id    phone-7        $tenant/<tenant>/phone-7
//
// All that matches, keeps and reads then does so without knowing of tenants: a filter of one form matches no name of another
// tenant's, since the first two levels of each are names and differ. Names of a tenant never begin with '$', so that `#` of a tenant
// matches all of them and no more [MQTT-4.7.2-1]; clients without a tenant match none of them by a wildcard, since `$tenant`
// begins with '$', but by its name, if the rules say so. What is empty behind the prefix is nobody's.
const (
	// TenantLevel is the first level of all that is a tenant's.
	TenantLevel = "$tenant"

	tenantPrefix = TenantLevel + "/"
)

// MaxTenantBytes is the longest name of a tenant.
const MaxTenantBytes = 64

// Errors of mounting.
var (
	ErrTenant = errors.New("a tenant is named with 1 to 64 of A-Z, a-z, 0-9, '_' and '-'")
	ErrDollar = errors.New("names that begin with '$' are the server's")
)

// ValidTenant reports whether a tenant may be called so: letters, digits, '_' and '-' of ASCII, which cannot be taken for others
// and are valid in names of RocketMQ topics.
func ValidTenant(s string) bool { return len(s) <= MaxTenantBytes && plain(s) }

// Space is a topic space. The zero Space is the whole: it mounts nothing.
type Space struct {
	prefix string // "", or `$tenant/<tenant>/`
}

// SpaceOf is a tenant's space; that of "" is the whole.
func SpaceOf(tenant string) (Space, error) {
	switch {
	case tenant == "":
		return Space{}, nil
	case !ValidTenant(tenant):
		return Space{}, ErrTenant
	}
	return Space{tenantPrefix + tenant + "/"}, nil
}

// SpaceIn is the space that a mounted name or client id lies in. It does not allocate.
func SpaceIn(mounted string) Space {
	prefix, _ := cutSpace(mounted)
	return Space{prefix}
}

// cutSpace splits a mounted name; prefix is "" if it is in no tenant's space, and own the whole then.
func cutSpace(mounted string) (prefix, own string) {
	rest, ok := strings.CutPrefix(mounted, tenantPrefix)
	if !ok {
		return "", mounted
	}
	tenant, own, more := strings.Cut(rest, "/")
	if !more || own == "" || !ValidTenant(tenant) {
		return "", mounted
	}
	return mounted[:len(mounted)-len(own)], own
}

// Reserves reports whether a name or client id claims a place in the space of tenants, or comes close to one: clients without a
// tenant cannot be called so.
func Reserves(s string) bool { return s == TenantLevel || strings.HasPrefix(s, tenantPrefix) }

// Mounts reports whether the space is a tenant's.
func (s Space) Mounts() bool { return s.prefix != "" }

// Tenant is whose space it is; "" for the whole.
func (s Space) Tenant() string {
	if s.prefix == "" {
		return ""
	}
	return s.prefix[len(tenantPrefix) : len(s.prefix)-1]
}

// Mount puts a valid topic name, or a filter that is not of a shared subscription, into the space.
func (s Space) Mount(own string) (string, error) {
	switch {
	case s.prefix == "":
		return own, nil
	case own == "":
		return "", ErrEmpty
	case own[0] == '$':
		return "", ErrDollar
	case len(s.prefix)+len(own) > MaxBytes:
		return "", ErrTooLong
	}
	return s.prefix + own, nil
}

// MountFilter is Mount for valid filters, those of shared subscriptions too.
func (s Space) MountFilter(own string) (string, error) {
	if s.prefix == "" {
		return own, nil
	}
	_, inner, _, err := ParseShared(own)
	if err != nil {
		return "", err
	}
	mounted, err := s.Mount(inner)
	if err != nil {
		return "", err
	}
	return own[:len(own)-len(inner)] + mounted, nil
}

// MountID keeps client ids of the space apart from those of others. Whatever the id, it is one of this space.
func (s Space) MountID(own string) (string, error) {
	if len(s.prefix)+len(own) > MaxBytes {
		return "", ErrTooLong
	}
	return s.prefix + own, nil
}

// Unmount takes a name, filter without `$share/<group>/` or client id out of the space. ok is false if it is not in it.
func (s Space) Unmount(mounted string) (own string, ok bool) {
	if own, ok = strings.CutPrefix(mounted, s.prefix); !ok || own == "" && s.prefix != "" {
		return "", false
	}
	return own, true
}

// UnmountFilter is Unmount for filters, those of shared subscriptions too.
func (s Space) UnmountFilter(mounted string) (own string, ok bool) {
	if s.prefix == "" {
		return mounted, true
	}
	_, inner, shared, err := ParseShared(mounted)
	if err != nil {
		return "", false
	}
	if own, ok = s.Unmount(inner); ok && shared {
		own = mounted[:len(mounted)-len(inner)] + own
	}
	return own, ok
}
