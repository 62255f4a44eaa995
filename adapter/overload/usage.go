package overload

import "runtime/metrics"

// Usage is one sample.
type Usage struct {
	Bytes  uint64 // alive at the last collection, stacks, and what the runtime takes for itself
	Cycles uint64 // collections so far
}

// What is read; the order is that of the fields in usage.
var names = [...]string{
	"/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/objects:bytes",
	"/memory/classes/heap/free:bytes", "/memory/classes/heap/unused:bytes", "/gc/heap/live:bytes", "/gc/cycles/total:gc-cycles",
}

// sampler reads the runtime's metrics, which takes microseconds and stops nobody. For one goroutine.
type sampler struct{ samples [len(names)]metrics.Sample }

func newSampler() *sampler {
	s := new(sampler)
	for i, name := range names {
		s.samples[i].Name = name
	}
	return s
}

func (s *sampler) usage() Usage {
	metrics.Read(s.samples[:])
	var v [len(names)]uint64
	for i := range s.samples {
		if s.samples[i].Value.Kind() == metrics.KindUint64 {
			v[i] = s.samples[i].Value.Uint64()
		}
	}
	total, released, objects, free, unused, live, cycles := v[0], v[1], v[2], v[3], v[4], v[5], v[6]
	heap := released + objects + free + unused
	if live == 0 { // before the first collection
		live = objects
	}
	return Usage{Bytes: total - min(heap, total) + live, Cycles: cycles}
}
