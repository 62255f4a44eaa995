package remoting

import (
	"encoding/json"
	"fmt"
)

// DecodeKVTable reads the body of a good answer to GetKVListByNamespace.
func DecodeKVTable(body []byte) (map[string]string, error) {
	var t struct {
		Table map[string]string `json:"table"`
	}
	if err := json.Unmarshal(quoteKeys(body), &t); err != nil {
		return nil, fmt.Errorf("decode key-value table: %w", err)
	}
	return t.Table, nil
}

// OffsetTable is a broker's table of consumer offsets. Both maps are keyed by `topic@group`. Offsets of groups named
// `%LMQ%...` stand in LMQ, queue 0, on brokers whose index is made of files, and in Offsets on those with RocksDB.
type OffsetTable struct {
	Offsets map[string]map[string]int64 `json:"offsetTable"` // by queue id
	LMQ     map[string]int64            `json:"lmqOffsetTable"`
}

// DecodeOffsetTable reads the body of a good answer to GetAllConsumerOffset.
func DecodeOffsetTable(body []byte) (OffsetTable, error) {
	var t OffsetTable
	if err := json.Unmarshal(quoteKeys(body), &t); err != nil {
		return OffsetTable{}, fmt.Errorf("decode consumer offsets: %w", err)
	}
	return t, nil
}
