package remoting

import (
	"fmt"
	"testing"
)

// TestDecodeOffsetTable: bodies as brokers 5.4.0 sent them, with an index of files and with RocksDB.
func TestDecodeOffsetTable(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"files": {
			`{"dataVersion":{"counter":0,"stateVersion":0,"timestamp":1795389175440},"groupTopicMap":{},"lmqOffsetTable":{"%LMQ%t%+%@%LMQ%c1":7,"%LMQ%t%+%@%LMQ%gid@@@dev 1":7},"offsetTable":{}}`,
			"map[] map[%LMQ%t%+%@%LMQ%c1:7 %LMQ%t%+%@%LMQ%gid@@@dev 1:7]",
		},
		"RocksDB": {
			`{"dataVersion":{"counter":0,"stateVersion":0,"timestamp":1795389306081},"groupTopicMap":{"%LMQ%c1":["%LMQ%t%+%"]},"offsetTable":{"%LMQ%t%+%@%LMQ%c1":{0:7},"%LMQ%t%+%@%LMQ%gid@@@dev 1":{0:7}}}`,
			"map[%LMQ%t%+%@%LMQ%c1:map[0:7] %LMQ%t%+%@%LMQ%gid@@@dev 1:map[0:7]] map[]",
		},
	} {
		got, err := DecodeOffsetTable([]byte(c.body))
		if text := fmt.Sprint(got.Offsets, got.LMQ); err != nil || text != c.want {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	if _, err := DecodeOffsetTable([]byte(`{"offsetTable":{"a@b":{"0":"x"}}}`)); err == nil {
		t.Error("a word is an offset")
	}
}

func TestDecodeKVTable(t *testing.T) {
	got, err := DecodeKVTable([]byte(`{"table":{"ALL_FIRST_TOPICS":"t1,t2","t1":"t1/+,t1/r/#"}}`))
	if err != nil || fmt.Sprint(got) != "map[ALL_FIRST_TOPICS:t1,t2 t1:t1/+,t1/r/#]" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := DecodeKVTable([]byte("[]")); err == nil {
		t.Error("a list is a table")
	}
}
