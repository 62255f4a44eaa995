package minimq

import (
	"net"
	"strings"
	"testing"

	"lmqgate/adapter/rocketmq/remoting"
)

// fuzzConn is a connection whose answers stay in its buffer.
func fuzzConn(t testing.TB, ep *endpoint) *conn {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return newConn(ep, a)
}

// FuzzHandle gives arbitrary requests to a broker and a name server: they must
// not panic, must answer at most once, and what they keep stays bounded.
func FuzzHandle(f *testing.F) {
	codes := []int32{
		10, 11, 12, 14, 15, 17, 21, 26, 28, 29, 30, 31, 32, 33, 34, 35, 36, 38, 41, 42, 46, 100, 101, 102, 105, 106,
		200, 201, 206, 207, 215, 216, 219, 310, 320, 351, 352, 200050, 200051, 200053,
	}
	fields := "topic=t\nqueueId=0\nqueueOffset=0\nmaxMsgNums=32\nsysFlag=6\nconsumerGroup=%LMQ%g\nsuspendTimeoutMillis=10\noffset=0\n" +
		"a=g\nb=t\nc=TBW102\nd=4\ne=0\nf=0\ng=1\nh=0\ni=INNER_MULTI_DISPATCH\x01%LMQ%a,%LMQ%b\x02DELAY\x011\x02\nm=false\n" +
		"invisibleTime=10\npollTime=10\nextraInfo=0 1 2 3 0 b 0 0\nkey=k\nmaxNum=9\nbeginTimestamp=0\nendTimestamp=9\ntimestamp=1\n" +
		"group=g\ndelayLevel=1\nclientID=c\nnamespace=LMQ\nvalue=v\nreadQueueNums=1\nwriteQueueNums=1\nperm=6\ndefaultTopic=x\ntopicFilterType=x"
	for _, code := range codes {
		f.Add(code, fields, []byte("body"))
		f.Add(code, strings.ReplaceAll(fields, "=0", "=-1"), []byte(`{"clientID":"c","consumerDataSet":[{"groupName":"g"}],"mqSet":[{"queueId":1}]}`))
		f.Add(code, strings.ReplaceAll(fields, "topic=t", "topic=%RETRY%g"), []byte{})
		f.Add(code, "", []byte(nil))
	}
	s := New(Config{MaxBytes: 1 << 20, HoldCheck: 1 << 20})
	if err := s.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	b := s.brokers[0]
	f.Fuzz(func(t *testing.T, code int32, text string, body []byte) {
		ext := map[string]string{}
		for line := range strings.SplitSeq(text, "\n") {
			if k, v, found := strings.Cut(line, "="); found {
				ext[k] = v
			}
		}
		c := fuzzConn(t, b.ep)
		for _, h := range []handler{b, s.names} {
			h.handle(c, &remoting.Command{Code: code, Ext: ext, Body: body, Opaque: 7})
			c.mu.Lock()
			out := c.out
			c.out = nil
			c.mu.Unlock()
			if len(out) > 8<<20 {
				t.Fatalf("%d bytes of answers", len(out))
			}
		}
		c.close()
		b.closed(c)
		if n := b.store.Bytes(); n > 1<<20+5<<20 {
			t.Fatalf("%d bytes kept", n)
		}
	})
}

// FuzzSendBatch gives arbitrary bytes as a batch.
func FuzzSendBatch(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x18\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02ab\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for rest := body; len(rest) > 0; {
			_, n, err := parseBatched(rest)
			if err != nil {
				return
			}
			if n <= 0 {
				t.Fatal("no progress")
			}
			rest = rest[n:]
		}
	})
}
