package remoting

import (
	"encoding/json"
	"fmt"
)

// jsonHeader is the header as Java writes it.
type jsonHeader struct {
	Code      int32             `json:"code"`
	Ext       map[string]string `json:"extFields,omitempty"`
	Flag      int32             `json:"flag"`
	Language  string            `json:"language"`
	Opaque    int32             `json:"opaque"`
	Remark    string            `json:"remark,omitempty"`
	Serialize string            `json:"serializeTypeCurrentRPC,omitempty"`
	Version   int16             `json:"version"`
}

func (c *Command) appendJSON(dst []byte) ([]byte, error) {
	b, err := json.Marshal(jsonHeader{
		Code: c.Code, Ext: c.Ext, Flag: c.Flag, Language: languageName(c.Language),
		Opaque: c.Opaque, Remark: c.Remark, Serialize: "JSON", Version: c.Version,
	})
	if err != nil {
		return dst, fmt.Errorf("encode header: %w", err)
	}
	return append(dst, b...), nil
}

func (c *Command) decodeJSON(h []byte) error {
	if c.decodePlain(h) {
		return nil
	}
	var j jsonHeader
	if err := json.Unmarshal(h, &j); err != nil {
		return fmt.Errorf("decode json header: %w: %w", ErrFrame, err)
	}
	c.Code, c.Language, c.Version, c.Opaque = j.Code, languageCode(j.Language), j.Version, j.Opaque
	c.Flag, c.Remark = j.Flag, j.Remark
	if len(j.Ext) > 0 {
		c.Ext = j.Ext
	}
	return nil
}

// Languages, of which only two matter here.
const (
	LanguageJava  byte = 0
	LanguageOther byte = 7
	LanguageGo    byte = 9
)

// languageNames are indexed by language code.
func languageNames() [14]string {
	return [...]string{
		"JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER",
		"HTTP", "GO", "PHP", "OMS", "RUST", "NODE_JS",
	}
}

func languageName(code byte) string {
	names := languageNames()
	if int(code) < len(names) {
		return names[code]
	}
	return "OTHER"
}

func languageCode(name string) byte {
	for i, n := range languageNames() {
		if n == name {
			return byte(i)
		}
	}
	return LanguageOther
}
