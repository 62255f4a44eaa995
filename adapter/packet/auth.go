package packet

// Auth is a step of enhanced authentication (section 3.15), MQTT 5.0 only.
//
//	code | properties; both may be left out together if the code is 0 and there are no properties
type Auth struct {
	Code   ReasonCode // Success, ContinueAuthentication or ReAuthenticate
	Method string     // "" only if the whole packet is empty
	Data   []byte     // nil = absent
	Reason string     // "" = absent
	User   []UserProperty
}

// Type returns AUTH.
func (a *Auth) Type() Type { return AUTH }

// Append encodes the packet.
func (a *Auth) Append(dst []byte, v Version) ([]byte, error) {
	w := begin(dst, AUTH)
	switch {
	case v != V5:
		w.fail("AUTH before MQTT 5.0")
	case !a.Code.ValidIn(AUTH):
		w.fail("reason code not allowed in AUTH")
	case a.empty():
		return w.finish()
	case a.Method == "":
		w.fail("AUTH without authentication method")
	}
	w.byte(byte(a.Code))
	at := w.openLength()
	w.auth(a.Method, a.Data)
	w.reasonAndUser(a.Reason, a.User)
	w.closeLength(at)
	return w.finish()
}

func (a *Auth) empty() bool {
	return a.Code == Success && a.Method == "" && a.Data == nil && a.Reason == "" && len(a.User) == 0
}

func readAuth(r *reader) *Auth {
	a := &Auth{}
	if len(r.b) == 0 {
		return a
	}
	a.Code = r.reason(AUTH)
	p := r.properties(inAuth)
	for p.next(r) {
		switch p.id {
		case authMethod:
			a.Method = p.text
		case authData:
			a.Data = p.binary
		case reasonString:
			a.Reason = p.text
		case userProperty:
			a.User = append(a.User, p.pair)
		}
	}
	p.checkAuth(r)
	if r.err == nil && a.Method == "" { // section 3.15.2.2.2
		r.fail(ProtocolError, "AUTH without authentication method")
	}
	return a
}
