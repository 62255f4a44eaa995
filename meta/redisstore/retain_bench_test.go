package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
)

func benchRetained(b *testing.B) (*redisstore.Retained, *server, func(items int)) {
	s, report := bench(b)
	r, err := s.Retained(redisstore.RetainConfig{})
	if err != nil {
		b.Fatal(err)
	}
	url := benchURL()
	if url == "" {
		b.Skipf("%s is not set; it takes redis://host:port", realEnv)
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	on := &server{config: redisstore.Config{Prefix: "lmqgate-bench:"}, raw: redis.NewClient(o)}
	b.Cleanup(func() { _ = on.raw.Close() })
	return r, on, report
}

func BenchmarkRetainedSet(b *testing.B) {
	for _, size := range []int{100, 256 << 10} {
		b.Run(fmt.Sprint(size, "bytes"), func(b *testing.B) {
			r, _, report := benchRetained(b)
			m := text("bench/set", strings.Repeat("x", size))
			for b.Loop() {
				if err := r.Set(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
			report(1)
		})
	}
}

// BenchmarkRetainedSetAll replaces a hundred messages at once.
func BenchmarkRetainedSetAll(b *testing.B) {
	r, _, report := benchRetained(b)
	var batch []*message.Message
	for i := range 100 {
		batch = append(batch, text(fmt.Sprintf("bench%d/%d", i%20, i), strings.Repeat("x", 100)))
	}
	for b.Loop() {
		for _, err := range r.SetAll(b.Context(), batch) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	report(len(batch))
}

// BenchmarkRetainedMatch reads all pages of filters on 300,000 topics under one first level.
func BenchmarkRetainedMatch(b *testing.B) {
	r, on, _ := benchRetained(b)
	fill(b, on, 300_000)
	b.Cleanup(func() {
		eachFilled(b, on, 300_000, func(pipe redis.Pipeliner, index, value, _ string) {
			pipe.Del(context.Background(), index, value)
		})
	})
	for _, filter := range []string{"site/3/dev/7/temp", "site/3/dev/7/#", "site/+/dev/7/rare", "+/+/dev/7/rare", "site/3/dev/+/rare", "site/3/#"} {
		b.Run(strings.ReplaceAll(filter, "/", ":"), func(b *testing.B) {
			var pages, found int
			for b.Loop() {
				for cursor, more := "", true; more; more = cursor != "" {
					var page []*message.Message
					var err error
					if page, cursor, err = r.Match(b.Context(), filter, cursor, 1000); err != nil {
						b.Fatal(err)
					}
					pages++
					found += len(page)
				}
			}
			b.ReportMetric(float64(found)/float64(b.N), "found/op")
			b.ReportMetric(float64(pages)/float64(b.N), "pages/op")
		})
	}
}
