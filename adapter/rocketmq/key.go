package rocketmq

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// NewKey returns a new UNIQ_KEY in RocketMQ's format, 32 upper case hex digits:
//
//	4 B IPv4 address | 2 B process | 4 B class loader | 4 B ms since the month began (UTC) | 2 B counter
//
// Process and class loader are random, since in containers every process is
// number 1. Keys of one process repeat only after 65,536 in one millisecond.
func NewKey() string {
	m := keys()
	now := time.Now().UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	var b [16]byte
	copy(b[:], m.prefix[:])
	binary.BigEndian.PutUint32(b[10:], uint32(now.Sub(month).Milliseconds()))
	binary.BigEndian.PutUint16(b[14:], uint16(m.counter.Add(1)))
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

type keyMaker struct {
	prefix  [10]byte
	counter atomic.Uint32
}

// keys is the state of NewKey; one for the process, as its keys must differ.
var keys = sync.OnceValue(func() *keyMaker {
	m := &keyMaker{}
	copy(m.prefix[:4], localIPv4())
	rand.Read(m.prefix[4:])
	m.counter.Store(uint32(randomUint64()))
	return m
})

func localIPv4() []byte {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return []byte{127, 0, 0, 1}
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			return n.IP.To4()
		}
	}
	return []byte{127, 0, 0, 1}
}

func randomUint64() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}
