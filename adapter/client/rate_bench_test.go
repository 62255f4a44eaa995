package client

import "testing"

// BenchmarkMeter is what the rates cost a PUBLISH: without any, and with all.
func BenchmarkMeter(b *testing.B) {
	for name, rate := range map[string]Rate{"off": {}, "on": {Messages: 1 << 40, Bytes: 1 << 50}} {
		b.Run(name, func(b *testing.B) {
			c := &client{srv: NewServer(Deps{}, Config{ClientRate: rate, UserRate: rate, Rate: rate}), account: &account{}}
			b.ReportAllocs()
			for b.Loop() {
				if err := c.meter(100); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
