package auth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"lmqgate/adapter/auth"
	"lmqgate/meta/access"
)

// The example of RFC 7677 section 3.
const (
	rfcClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
	rfcServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	rfcServerFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcClientFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

func user(t *testing.T, name, password string) access.ScramCredential {
	t.Helper()
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	c, err := access.NewScramCredential(name, password, salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fixedSeed(context.Context) ([]byte, error) { return []byte(strings.Repeat("s", 32)), nil }

// rfcSCRAM knows the user of the example and says the nonce of its server.
func rfcSCRAM(t *testing.T) *auth.SCRAM {
	t.Helper()
	return newSCRAM(t, auth.SCRAMConfig{
		Users: []access.ScramCredential{user(t, "user", "pencil")}, Seed: fixedSeed, Nonce: func() string { return rfcServerNonce },
	})
}

func newSCRAM(t *testing.T, cfg auth.SCRAMConfig) *auth.SCRAM {
	t.Helper()
	s, err := auth.NewSCRAM(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t *testing.T, s *auth.SCRAM, l *access.Login) access.Exchange {
	t.Helper()
	x, err := s.Begin(l, "SCRAM-SHA-256")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// step makes one step that must not be refused.
func step(t *testing.T, x access.Exchange, data string) (string, *access.Identity) {
	t.Helper()
	reply, id, err := x.Next(t.Context(), []byte(data))
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	return string(reply), id
}

func TestSCRAMVector(t *testing.T) {
	x := begin(t, rfcSCRAM(t), &access.Login{})
	if reply, id := step(t, x, rfcClientFirst); reply != rfcServerFirst || id != nil {
		t.Fatalf("server-first = %q, %v", reply, id)
	}
	reply, id := step(t, x, rfcClientFinal)
	if reply != rfcServerFinal || id == nil || id.Username != "user" || id.Method != "scram" {
		t.Fatalf("server-final = %q, %v", reply, id)
	}
	if _, id, err := x.Next(t.Context(), []byte(rfcClientFinal)); id != nil || !errors.Is(err, access.ErrDenied) {
		t.Errorf("a step too many: %v, %v", id, err)
	}
}

// A client may let the server ask for the first message, once.
func TestSCRAMWithoutInitialData(t *testing.T) {
	x := begin(t, rfcSCRAM(t), nil)
	if reply, id := step(t, x, ""); reply != "" || id != nil {
		t.Fatalf("%q, %v", reply, id)
	}
	if reply, _ := step(t, x, rfcClientFirst); reply != rfcServerFirst {
		t.Errorf("server-first = %q", reply)
	}
	x = begin(t, rfcSCRAM(t), nil)
	step(t, x, "")
	if _, _, err := x.Next(t.Context(), nil); !errors.Is(err, access.ErrDenied) {
		t.Errorf("nothing twice: %v", err)
	}
}

func TestSCRAMFirstMessage(t *testing.T) {
	for first, ok := range map[string]bool{
		rfcClientFirst:                              true,
		"y,,n=user,r=abc":                           true,
		"n,a=user,n=user,r=abc":                     true,
		"n,a=us\u00ADer,n=user,r=ab":                true, // the same once prepared
		"n,,n=user,r=abc,x=ext":                     true, // extensions that are not mandatory
		"n,a=other,n=user,r=abc":                    false,
		"n,user,n=user,r=abc":                       false,
		"p=tls-unique,,n=user,r=abc":                false,
		"p=tls-exporter,,n=user,r=a":                false,
		"x,,n=user,r=abc":                           false,
		",,n=user,r=abc":                            false,
		"n,,m=1,n=user,r=abc":                       false, // a mandatory extension
		"n,,r=abc,n=user":                           false,
		"n,,n=,r=abc":                               false,
		"n,,n=us=er,r=abc":                          false,
		"n,,n=us=2cer,r=abc":                        false,
		"n,,n=user,r=":                              false,
		"n,,n=user":                                 false,
		"n,,n=us\x07er,r=abc":                       false,
		"n,,n=us\xffer,r=abc":                       false,
		"n,,n=user,r=a\x00bc":                       false,
		"n,,n=user,r=" + strings.Repeat("a", 4096):  false,
		"n,,n=" + strings.Repeat("a", 257) + ",r=a": false,
	} {
		x := begin(t, rfcSCRAM(t), nil)
		reply, id, err := x.Next(t.Context(), []byte(first))
		if id != nil || (err == nil) != ok || (err != nil && (!errors.Is(err, access.ErrDenied) || reply != nil)) {
			t.Errorf("%.60q: %q, %v, %v", first, reply, id, err)
		}
		if !ok {
			if _, id, err := x.Next(t.Context(), []byte(rfcClientFirst)); id != nil || !errors.Is(err, access.ErrDenied) {
				t.Errorf("%.60q could be tried again: %v", first, err)
			}
		}
	}
}

// Every field of client-final, and every byte of it, is under the proof or checked.
func TestSCRAMTamperedFinal(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(rfcClientFinal, old, new, 1) }
	finals := []string{
		"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", rfcServerFinal,
		swap("c=biws", "c=eSws"), // the flag y where n was sent
		swap("c=biws", "c=bixhPXVzZXIs"), swap("c=biws,", ""), swap("r=rOpr", "r=rOps"), swap("$k0", ""), swap("$k0", "$k0$k0"),
		swap("p=dHzb", "p=dHzc"), swap(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", ""), swap("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "p="),
		swap(",p=", ",x=ext,p="), swap("p=dHzb", "p=\ndHzb"), rfcClientFinal + ",", rfcClientFinal + "A", rfcClientFinal[:len(rfcClientFinal)-4],
	}
	for i := range rfcClientFinal {
		b := []byte(rfcClientFinal)
		b[i] ^= 1
		finals = append(finals, string(b))
	}
	for _, final := range finals {
		x := begin(t, rfcSCRAM(t), nil)
		step(t, x, rfcClientFirst)
		reply, id, err := x.Next(t.Context(), []byte(final))
		if reply != nil || id != nil || !errors.Is(err, access.ErrDenied) {
			t.Errorf("%q: %q, %v, %v", final, reply, id, err)
		}
		if _, id, err := x.Next(t.Context(), []byte(rfcClientFinal)); id != nil || err == nil {
			t.Errorf("after %q the right one was accepted", final)
		}
	}
}

// A client-first other than the one the proof was made for.
func TestSCRAMTamperedFirst(t *testing.T) {
	for _, first := range []string{
		"y,,n=user,r=rOprNGfwEbeRWgbNEkqO", "n,a=user,n=user,r=rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO,x=y",
		"n,,n=us\u00ADer,r=rOprNGfwEbeRWgbNEkqO",
	} {
		x := begin(t, rfcSCRAM(t), nil)
		step(t, x, first)
		if _, id, err := x.Next(t.Context(), []byte(rfcClientFinal)); id != nil || !errors.Is(err, access.ErrDenied) {
			t.Errorf("%q: %v, %v", first, id, err)
		}
	}
}

// What was overheard of one exchange does not help in another: the server's nonce differs.
func TestSCRAMReplay(t *testing.T) {
	s := newSCRAM(t, auth.SCRAMConfig{Users: []access.ScramCredential{user(t, "user", "pencil")}})
	client, err := scram.SHA256.NewClient("user", "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	var heard []string
	if _, err := talk(t, begin(t, s, nil), client, func(said string) { heard = append(heard, said) }); err != nil {
		t.Fatal(err)
	}
	x := begin(t, s, nil)
	step(t, x, heard[0])
	if _, id, err := x.Next(t.Context(), []byte(heard[1])); id != nil || !errors.Is(err, access.ErrDenied) {
		t.Errorf("replayed: %v, %v", id, err)
	}
}

// talk runs the client side of the library against an exchange, and checks the server's signature.
func talk(t *testing.T, x access.Exchange, client *scram.Client, hear func(said string)) (*access.Identity, error) {
	t.Helper()
	conv := client.NewConversation()
	said, err := conv.Step("")
	for {
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		if hear != nil {
			hear(said)
		}
		reply, id, err2 := x.Next(t.Context(), []byte(said))
		if err2 != nil {
			return nil, err2
		}
		said, err = conv.Step(string(reply))
		if id != nil {
			if err != nil || !conv.Valid() {
				return nil, fmt.Errorf("the client does not believe the server: %w", err)
			}
			return id, nil
		}
	}
}

func TestSCRAMInterop(t *testing.T) {
	s := newSCRAM(t, auth.SCRAMConfig{
		Users:    []access.ScramCredential{user(t, "user", "pencil"), user(t, "a,b=c", "p\u00AAss"), user(t, "\u2168", "x")},
		Username: "mq", Password: []byte("secret"),
	})
	for _, c := range []struct {
		name, password, as string
		want               string
	}{
		{"user", "pencil", "", "user"},
		{"user", "pencil", "user", "user"},
		{"a,b=c", "pass", "a,b=c", "a,b=c"},
		{"IX", "x", "", "IX"},
		{"mq", "secret", "", "mq"},
		{"user", "Pencil", "", ""},
		{"user", "pencil", "mq", ""},
		{"a=2Cb=3Dc", "pass", "", ""},
		{"mq", "pencil", "", ""},
		{"nobody", "pencil", "", ""},
	} {
		client, err := scram.SHA256.NewClient(c.name, c.password, c.as)
		if err != nil {
			t.Fatal(err)
		}
		id, err := talk(t, begin(t, s, &access.Login{}), client, nil)
		switch {
		case c.want == "" && !errors.Is(err, access.ErrDenied):
			t.Errorf("%+v: %v, %v", c, id, err)
		case c.want != "" && (err != nil || id.Username != c.want):
			t.Errorf("%+v: %v, %v", c, id, err)
		}
	}
}

// factors are what server-first says of a user.
func factors(t *testing.T, s *auth.SCRAM, name string) string {
	t.Helper()
	reply, _ := step(t, begin(t, s, nil), "n,,n="+name+",r=abc")
	_, f, _ := strings.Cut(reply, ",s=")
	return f
}

// An unknown user looks like a known one: salt and iterations stay from exchange to exchange and from instance to
// instance, differ between names, and the refusal has the words of a wrong password.
func TestSCRAMUnknownUser(t *testing.T) {
	cfg := auth.SCRAMConfig{Users: []access.ScramCredential{user(t, "user", "pencil")}, Seed: fixedSeed}
	s, other := newSCRAM(t, cfg), newSCRAM(t, cfg)
	known, one, two := factors(t, s, "user"), factors(t, s, "nobody"), factors(t, s, "somebody")
	if one != factors(t, s, "nobody") || one != factors(t, other, "nobody") || one == two || one == known {
		t.Errorf("known %s, unknown %s and %s", known, one, two)
	}
	if len(one) != len(known) || !strings.HasSuffix(one, ",i=4096") {
		t.Errorf("unknown %s does not look like %s", one, known)
	}
	refusal := func(name string) string {
		client, err := scram.SHA256.NewClient(name, "wrong", "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = talk(t, begin(t, s, nil), client, nil)
		return err.Error()
	}
	if a, b := refusal("user"), refusal("nobody"); a != b {
		t.Errorf("refusals %q and %q", a, b)
	}
}

// The user that was configured with a password looks like the unknown ones too, on every instance alike.
func TestSCRAMPlainUser(t *testing.T) {
	secrets := [][]byte{[]byte("secret"), []byte("secret")}
	var shown [2]string
	for i := range shown {
		s := newSCRAM(t, auth.SCRAMConfig{Username: "mq", Password: secrets[i], Seed: fixedSeed})
		shown[i] = factors(t, s, "mq")
		if f := factors(t, s, "nobody"); len(f) != len(shown[i]) || f == shown[i] {
			t.Errorf("unknown %s, known %s", f, shown[i])
		}
		if string(secrets[i]) != "\x00\x00\x00\x00\x00\x00" {
			t.Errorf("the password is kept: %q", secrets[i])
		}
	}
	if shown[0] != shown[1] || !strings.HasSuffix(shown[0], ",i=15000") {
		t.Errorf("two instances show %q", shown)
	}
}

func TestSCRAMSeedAway(t *testing.T) {
	away, asked := true, 0
	s := newSCRAM(t, auth.SCRAMConfig{
		Users: []access.ScramCredential{user(t, "user", "pencil")}, Nonce: func() string { return rfcServerNonce },
		Seed: func(ctx context.Context) ([]byte, error) {
			if asked++; away {
				return nil, errors.New("no seed")
			}
			return fixedSeed(ctx)
		},
	})
	for _, name := range []string{"user", "nobody"} {
		_, _, err := begin(t, s, nil).Next(t.Context(), []byte("n,,n="+name+",r=abc"))
		if !errors.Is(err, access.ErrUnavailable) || errors.Is(err, access.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	away = false
	x := begin(t, s, nil)
	step(t, x, rfcClientFirst)
	if _, id := step(t, x, rfcClientFinal); id == nil {
		t.Error("not accepted once the seed is there")
	}
	factors(t, s, "nobody")
	if asked != 3 {
		t.Errorf("asked %d times for the seed", asked)
	}
}

func TestSCRAMConnectUserName(t *testing.T) {
	for name, ok := range map[string]bool{"": true, "user": true, "us\u00ADer": true, "mq": false, "us\x07er": false} {
		x := begin(t, rfcSCRAM(t), &access.Login{HasUsername: true, Username: name})
		_, _, err := x.Next(t.Context(), []byte(rfcClientFirst))
		if ok != (err == nil) || (err != nil && !errors.Is(err, access.ErrDenied)) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A plain login is none of its business: in a chain others decide, and nobody is a refusal.
func TestSCRAMPlainLogin(t *testing.T) {
	s := rfcSCRAM(t)
	plain := &access.Login{ClientID: "abc", HasUsername: true, Username: "user", HasPassword: true, Password: []byte("pencil")}
	if _, err := s.Verify(t.Context(), plain); !errors.Is(err, access.ErrIgnore) {
		t.Errorf("Verify = %v", err)
	}
	for _, l := range []*access.Login{plain, {ClientID: "abc"}} {
		if _, err := (auth.Chain{s}).Verify(t.Context(), l); !errors.Is(err, access.ErrDenied) {
			t.Errorf("alone in a chain: %v", err)
		}
	}
	mq := &access.Login{ClientID: "abc", Username: "mq", HasPassword: true, Password: []byte("aUq9EIQtFh3bxU34oNV89k0NvMk=")}
	if _, err := (auth.Chain{s, auth.HMAC{Username: "mq", Secret: []byte("secret")}}).Verify(t.Context(), mq); err != nil {
		t.Errorf("with hmac behind it: %v", err)
	}
	if _, err := s.Begin(plain, "SCRAM-SHA-1"); !errors.Is(err, access.ErrIgnore) {
		t.Errorf("other method: %v", err)
	}
}

func TestNewSCRAMRefuses(t *testing.T) {
	for what, cfg := range map[string]auth.SCRAMConfig{
		"nobody": {}, "no password": {Username: "mq"}, "bad name": {Username: "a\x07", Password: []byte("x")},
	} {
		if _, err := auth.NewSCRAM(cfg); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

func FuzzSCRAM(f *testing.F) {
	f.Add(rfcClientFirst, rfcClientFinal)
	f.Add("y,a=user,n=us=2Cer,r=a,x=y", "c=,r=,p=")
	c, err := access.ParseScramCredential("user:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
	if err != nil {
		f.Fatal(err)
	}
	s, err := auth.NewSCRAM(auth.SCRAMConfig{Users: []access.ScramCredential{c}, Seed: fixedSeed, Nonce: func() string { return rfcServerNonce }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, final string) {
		x, err := s.Begin(nil, auth.MethodSCRAM)
		if err != nil {
			t.Fatal(err)
		}
		for i, data := range []string{first, final, final} {
			reply, id, err := x.Next(t.Context(), []byte(data))
			if err != nil && (reply != nil || id != nil || !errors.Is(err, access.ErrDenied)) {
				t.Fatalf("step %d: %q, %v, %v", i, reply, id, err)
			}
			if proven, _, _ := strings.Cut(rfcClientFinal, ",p="); id != nil && !strings.HasPrefix(final, proven+",p=") {
				t.Fatalf("%q got in", final)
			}
		}
	})
}
