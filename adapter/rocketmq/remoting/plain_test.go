package remoting

import (
	"encoding/json"
	"reflect"
	"testing"
)

const heldAnswer = `{"code":0,"extFields":{"suggestWhichBrokerId":"0","maxOffset":"17","nextBeginOffset":"17","minOffset":"0"},"flag":1,"language":"JAVA","opaque":4711,"serializeTypeCurrentRPC":"JSON","version":475}`

// both decodes h the plain way, if that takes it, and with encoding/json.
func both(h []byte) (plain, full Command, took bool, err error) {
	took = plain.decodePlain(h)
	var j jsonHeader
	if err = json.Unmarshal(h, &j); err == nil {
		full = Command{Code: j.Code, Language: languageCode(j.Language), Version: j.Version, Opaque: j.Opaque, Flag: j.Flag, Remark: j.Remark}
		if len(j.Ext) > 0 {
			full.Ext = j.Ext
		}
	}
	return plain, full, took, err
}

func TestPlainHeaders(t *testing.T) {
	for h, want := range map[string]bool{
		heldAnswer:                       true,
		`{}`:                             true,
		`{"code":-1,"extFields":{}}`:     true,
		`{"remark":"no new message"}`:    true,
		`{"remark":"a\"b"}`:              false,
		`{"remark":"é"}`:                 false,
		`{"remark":null}`:                false,
		`{"code": 1}`:                    false,
		`{"code":01}`:                    false,
		`{"code":99999999999}`:           false,
		`{"code":1`:                      false,
		`{"code":1}x`:                    false,
		`{"other":1}`:                    false,
		`{"extFields":{"a":1}}`:          false,
		`{"extFields":{"a":"1"},"f":[]}`: false,
		``:                               false,
	} {
		plain, full, took, err := both([]byte(h))
		if took != want {
			t.Errorf("%s: taken %v, want %v", h, took, want)
		}
		if took && (err != nil || !reflect.DeepEqual(plain, full)) {
			t.Errorf("%s: plain %+v, json %+v, %v", h, plain, full, err)
		}
	}
}

func FuzzPlainHeader(f *testing.F) {
	f.Add([]byte(heldAnswer))
	f.Add([]byte(`{"code":1,"code":2,"extFields":{"a":"b","a":"c"}}`))
	f.Fuzz(func(t *testing.T, h []byte) {
		plain, full, took, err := both(h)
		if took && (err != nil || !reflect.DeepEqual(plain, full)) {
			t.Errorf("%q: plain %+v, json %+v, %v", h, plain, full, err)
		}
	})
}

func BenchmarkDecodeHeldAnswer(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var c Command
		if err := c.decodeJSON([]byte(heldAnswer)); err != nil {
			b.Fatal(err)
		}
	}
}
