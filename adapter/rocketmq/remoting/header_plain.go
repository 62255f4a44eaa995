package remoting

import "math"

// plain reads the JSON headers that brokers write to held pulls, thousands of times a second: one object of numbers,
// plain strings and one flat object of strings. Whatever else it meets it gives up on, and encoding/json decides.
type plain struct {
	b  []byte
	i  int
	ok bool
}

// decodePlain fills c from h. It returns false, with c as it was, if h is not of the plain kind.
func (c *Command) decodePlain(h []byte) bool {
	d := *c
	d.Ext, d.Remark, d.Language = nil, "", LanguageOther
	p := plain{b: h, ok: true}
	p.object(func(name []byte) {
		switch string(name) {
		case "code":
			d.Code = int32(p.number(math.MinInt32, math.MaxInt32))
		case "flag":
			d.Flag = int32(p.number(math.MinInt32, math.MaxInt32))
		case "opaque":
			d.Opaque = int32(p.number(math.MinInt32, math.MaxInt32))
		case "version":
			d.Version = int16(p.number(math.MinInt16, math.MaxInt16))
		case "language":
			d.Language = languageCode(string(p.text()))
		case "remark":
			d.Remark = string(p.text())
		case "serializeTypeCurrentRPC":
			p.text()
		case "extFields":
			d.Ext = make(map[string]string, 8)
			p.object(func(key []byte) { d.Ext[string(key)] = string(p.text()) })
		default:
			p.ok = false
		}
	})
	if !p.ok || p.i != len(h) {
		return false
	}
	if len(d.Ext) == 0 {
		d.Ext = nil
	}
	*c = d
	return true
}

// object calls field with each name; field reads the value.
func (p *plain) object(field func(name []byte)) {
	p.expect('{')
	if p.ok && p.i < len(p.b) && p.b[p.i] == '}' {
		p.i++
		return
	}
	for p.ok {
		name := p.text()
		p.expect(':')
		if !p.ok {
			return
		}
		field(name)
		if p.ok && p.i < len(p.b) && p.b[p.i] == ',' {
			p.i++
			continue
		}
		p.expect('}')
		return
	}
}

func (p *plain) expect(ch byte) {
	if !p.ok || p.i >= len(p.b) || p.b[p.i] != ch {
		p.ok = false
		return
	}
	p.i++
}

// text reads a string of printable ASCII without escapes.
func (p *plain) text() []byte {
	p.expect('"')
	start := p.i
	for p.ok && p.i < len(p.b) {
		switch ch := p.b[p.i]; {
		case ch == '"':
			p.i++
			return p.b[start : p.i-1]
		case ch == '\\' || ch < 0x20 || ch > 0x7e:
			p.ok = false
		}
		p.i++
	}
	p.ok = false
	return nil
}

// number reads an integer within bounds.
func (p *plain) number(low, high int64) int64 {
	negative := p.i < len(p.b) && p.b[p.i] == '-'
	if negative {
		p.i++
	}
	start, n := p.i, int64(0)
	for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' && p.i-start < 18 {
		n = n*10 + int64(p.b[p.i]-'0')
		p.i++
	}
	if negative {
		n = -n
	}
	if p.i == start || p.b[start] == '0' && p.i-start > 1 || n < low || n > high {
		p.ok = false
	}
	return n
}
