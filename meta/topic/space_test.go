package topic_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"lmqgate/meta/topic"
)

// tenants are such that what is glued together without care would be confused.
var tenants = []string{"a", "b", "a-b", "p2p", "A", "_", "a_b"}

// spaceLevels are what topics of tenants are made of here: names of tenants, wildcards, and what looks like the insides.
var spaceLevels = []string{"", "a", "b", "a-b", "p2p", "+", "..", ".", "$tenant", "$share", "$SYS", "%", "a%b", "é", "T", "#x"}

func randomOwn(r *rand.Rand, filter bool) string {
	levels := make([]string, 1+r.IntN(5))
	for i := range levels {
		levels[i] = spaceLevels[r.IntN(len(spaceLevels))]
		if levels[i] == "+" && !filter {
			levels[i] = "x"
		}
	}
	if filter && r.IntN(3) == 0 {
		levels = append(levels, "#")
	}
	return strings.Join(levels, "/")
}

// TestSpacesAreApart: a filter of a tenant matches, of all names of all tenants and of nobody, those that it matches as the tenant
// wrote both, if they are of the same tenant, and no others. The same with names that go to clients.
func TestSpacesAreApart(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	matched, private := 0, 0
	for range 100_000 {
		ta, tb := tenants[r.IntN(len(tenants))], tenants[r.IntN(len(tenants))]
		if r.IntN(2) == 0 {
			tb = ta
		}
		a, b := mustSpace(t, ta), mustSpace(t, tb)
		filter, name := randomOwn(r, true), randomOwn(r, false)
		if r.IntN(2) == 0 { // else few match
			name = strings.NewReplacer("+", "x", "#", "a/b").Replace(filter)
		}
		if topic.ValidFilter(filter) != nil || topic.ValidName(name) != nil {
			continue
		}
		in, err := a.MountFilter(filter)
		if err != nil {
			if !strings.Contains(filter, "$") {
				t.Fatalf("filter %q: %v", filter, err)
			}
			continue
		}
		if topic.ValidFilter(in) != nil {
			t.Fatalf("%q became %q", filter, in)
		}
		if own, ok := a.UnmountFilter(in); !ok || own != filter {
			t.Fatalf("%q came back as %q", filter, own)
		}
		if _, ok := b.UnmountFilter(in); ok != (ta == tb) {
			t.Fatalf("%q of %s is in the space of %s", filter, ta, tb)
		}
		_, own, _, _ := topic.ParseShared(filter)
		_, inner, _, _ := topic.ParseShared(in)
		if topic.Match(inner, name) && !topic.Reserves(name) {
			t.Fatalf("%q of %s matches %q of nobody", filter, ta, name)
		}
		checkAddressed(t, a, name, &private)
		out, err := b.Mount(name)
		if err != nil {
			if name[0] != '$' {
				t.Fatalf("name %q: %v", name, err)
			}
			continue
		}
		want := ta == tb && topic.Match(own, name)
		if topic.Match(inner, out) != want {
			t.Fatalf("%q of %s and %q of %s: matches is not %v", filter, ta, name, tb, want)
		}
		if _, ok := a.Unmount(out); ok != (ta == tb) {
			t.Fatalf("%q of %s is shown to %s", name, tb, ta)
		}
		if want {
			matched++
		}
	}
	if matched < 1000 || private < 1000 {
		t.Errorf("%d matches and %d names to clients tell too little", matched, private)
	}
}

// checkAddressed holds the client whom a mounted name addresses against the one whom the tenant meant.
func checkAddressed(t *testing.T, s topic.Space, name string, count *int) {
	t.Helper()
	mounted, err := s.Mount(name)
	if err != nil {
		return
	}
	id, ok := topic.P2P(name)
	got, reached := topic.P2P(mounted)
	if ok != reached {
		t.Fatalf("%q goes to a client: %v, of the tenant: %v", name, ok, reached)
	}
	if !ok {
		return
	}
	*count++
	if want, _ := s.MountID(id); got != want || topic.SpaceIn(got) != s || topic.Addressable(got) != topic.Addressable(id) {
		t.Fatalf("%q of %s goes to %q", name, s.Tenant(), got)
	}
	if to, private := topic.PrivateTo(mounted); private != topic.Addressable(id) || private && to != got {
		t.Fatalf("%q is private to %q, not %q", mounted, to, got)
	}
	if mounted == name || topic.P2PLMQ(got) == topic.P2PLMQ(id) {
		t.Fatalf("%q shares its queue with another's", got)
	}
}

func mustSpace(t *testing.T, tenant string) topic.Space {
	t.Helper()
	s, err := topic.SpaceOf(tenant)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Mounts() || s.Tenant() != tenant {
		t.Fatalf("%q became the space of %q", tenant, s.Tenant())
	}
	return s
}

// TestClientIDsAreApart: no two tenants' clients, nor a tenant's and one of nobody's that may be called so, share an id.
func TestClientIDsAreApart(t *testing.T) {
	seen := map[string][2]string{}
	for _, tenant := range append([]string{""}, tenants...) {
		s, err := topic.SpaceOf(tenant)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"x", "a/x", "b/x", "/x", "$tenant/a/x", "$tenant/b/x", "$tenant", "$tenant/", "$tenant/a", "$tenant/a/", "..", "../b/x"} {
			if tenant == "" && topic.Reserves(id) {
				continue
			}
			mounted, err := s.MountID(id)
			if err != nil {
				t.Fatal(err)
			}
			if other, taken := seen[mounted]; taken {
				t.Errorf("%q of %q and %q of %q are both %q", id, tenant, other[1], other[0], mounted)
			}
			seen[mounted] = [2]string{tenant, id}
			if topic.SpaceIn(mounted) != s {
				t.Errorf("%q is not in the space of %q", mounted, tenant)
			}
		}
	}
}

func TestSpaceRefuses(t *testing.T) {
	for _, tenant := range []string{"a/b", "a.b", "+", "#", "a%b", " ", "é", "а", "..", "a\x00", "$a", strings.Repeat("a", 65)} { // "а" is Cyrillic
		if _, err := topic.SpaceOf(tenant); err == nil {
			t.Errorf("tenant %q", tenant)
		}
	}
	s := mustSpace(t, "acme")
	for own, want := range map[string]error{
		"":                         topic.ErrEmpty,
		"$SYS/x":                   topic.ErrDollar,
		"$tenant/b/x":              topic.ErrDollar,
		strings.Repeat("x", 65535): topic.ErrTooLong,
	} {
		if got, err := s.Mount(own); err != want || got != "" {
			t.Errorf("%.20q: %q, %v", own, got, err)
		}
	}
	for _, filter := range []string{"$share/g/$tenant/b/#", "$share/g/$SYS/#", "$share/g", "$share//x", "$share/g/$share/h/x", "$tenant/+/#"} {
		if got, err := s.MountFilter(filter); err == nil {
			t.Errorf("%q became %q", filter, got)
		}
	}
	for _, out := range []string{"$tenant/acme/", "$tenant/acme", "$tenant/acme2/x", "$tenant/acm/x", "/$tenant/acme/x", "T/x", "$TENANT/acme/x"} {
		if own, ok := s.Unmount(out); ok {
			t.Errorf("%q is shown as %q", out, own)
		}
	}
}

// TestNobodysSpace: without a tenant names are what they are.
func TestNobodysSpace(t *testing.T) {
	s, err := topic.SpaceOf("")
	if err != nil || s.Mounts() || s.Tenant() != "" {
		t.Fatal(s, err)
	}
	for _, name := range []string{"a/b", "$SYS/x", "$tenant/acme/x", "/"} {
		if got, err := s.Mount(name); got != name || err != nil {
			t.Error(got, err)
		}
		if got, ok := s.Unmount(name); got != name || !ok {
			t.Error(got, ok)
		}
	}
}

func TestTenantRocketMQTopic(t *testing.T) {
	long := strings.Repeat("t", 127)
	only := func(first string) bool { return first == "T" }
	for _, c := range []struct {
		name    string
		allowed func(string) bool
		want    string
	}{
		{"$tenant/acme/T/x", nil, "acme%T"},
		{"$tenant/acme//T/x", nil, "acme%T"},
		{"$tenant/acme/T", only, "acme%T"},
		{"$tenant/acme/U/x", only, "acme%F"},
		{"$tenant/acme/a b/x", nil, "acme%F"},
		{"$tenant/acme/TBW102/x", nil, "acme%F"},
		{"$tenant/acme/" + long + "/x", nil, "acme%F"},
		{"$tenant/acme/", nil, "F"},
		{"$tenant/a.b/T/x", nil, "F"},
		{"$tenant/acme", nil, "F"},
	} {
		if got := topic.RocketMQTopic(c.name, "F", c.allowed); got != c.want {
			t.Errorf("%.40q goes to %q, not %q", c.name, got, c.want)
		}
	}
	if got := topic.RocketMQTopic("$tenant/acme/T", strings.Repeat("f", 125), only); got != "acme%T" {
		t.Error(got)
	}
	if got := topic.RocketMQTopic("$tenant/acme/U", strings.Repeat("f", 125), only); got != strings.Repeat("f", 125) {
		t.Error(got)
	}
	if got := topic.RocketMQTopic("$tenant/acme/U/x", "", only); got != "" {
		t.Error(got)
	}
}
