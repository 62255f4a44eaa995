package packet

// Disconnect is the last packet of a side that closes (section 3.14). Before 5.0 only clients send it, without fields.
//
//	code (5.0, may be left out if 0) | properties (5.0, may be left out if none)
type Disconnect struct {
	Code             ReasonCode
	HasSessionExpiry bool   // else it stays as CONNECT set it
	SessionExpiry    uint32 // seconds; clients only [MQTT-3.14.2-2]
	Reason           string // "" = absent
	ServerReference  string // "" = absent; servers only
	User             []UserProperty
}

// Type returns DISCONNECT.
func (d *Disconnect) Type() Type { return DISCONNECT }

// Append encodes the packet.
func (d *Disconnect) Append(dst []byte, v Version) ([]byte, error) {
	w := begin(dst, DISCONNECT)
	code := d.Code.For(DISCONNECT)
	properties := d.HasSessionExpiry || d.Reason != "" || d.ServerReference != "" || len(d.User) > 0
	if v == V5 && (code != NormalDisconnection || properties) {
		w.byte(byte(code))
	}
	if v == V5 && properties {
		at := w.openLength()
		w.uint32Property(sessionExpiry, d.SessionExpiry, d.HasSessionExpiry)
		w.reasonAndUser(d.Reason, d.User)
		w.textProperty(serverReference, d.ServerReference, "server reference")
		w.closeLength(at)
	}
	return w.finish()
}

// readDisconnect decodes a DISCONNECT; a remaining length of 0 leaves out the code, one of 1 the properties
// (section 3.14.2).
func readDisconnect(r *reader) *Disconnect {
	d := &Disconnect{}
	if r.version != V5 || len(r.b) == 0 {
		return d
	}
	d.Code = r.reason(DISCONNECT)
	if len(r.b) == 0 {
		return d
	}
	p := r.properties(inDisc)
	for p.next(r) {
		switch p.id {
		case sessionExpiry:
			d.HasSessionExpiry, d.SessionExpiry = true, p.num
		case reasonString:
			d.Reason = p.text
		case serverReference:
			d.ServerReference = p.text
		case userProperty:
			d.User = append(d.User, p.pair)
		}
	}
	return d
}
