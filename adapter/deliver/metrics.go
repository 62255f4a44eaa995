package deliver

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the hub's own; none carries a client id.
type metrics struct {
	deliveries  [3]prometheus.Counter
	latency     prometheus.Histogram
	redelivered prometheus.Counter
	tooLarge    prometheus.Counter
	unencodable prometheus.Counter
	tooOld      prometheus.Counter
	expired     prometheus.Counter
	gone        prometheus.Counter
	tooMany     prometheus.Counter
	stalls      prometheus.Counter
	reads       [readReset + 1]prometheus.Counter // by reading
	resets      prometheus.Counter
	catchUps    prometheus.Counter
	retained    prometheus.Counter
	walkErrors  prometheus.Counter
	shared      sharedMetrics
	now         func() time.Time
}

// sharedMetrics are those of shared subscriptions.
type sharedMetrics struct{ popped, returned, lapsed, replaced, owned, unnoted prometheus.Counter }

func newMetrics(r prometheus.Registerer, h *Hub) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	drops := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_deliveries_dropped_total",
		Help: "Messages that a client was not sent, by cause: larger than its Maximum Packet Size (too_large), no PUBLISH can carry it (unencodable), Message Expiry Interval passed (expired), removed by RocketMQ's retention before they were read (log_expired), sent unacknowledged and not to be read back (gone).",
	}, []string{"cause"})
	ring := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_ring_reads_total",
		Help: "Looks of cursors into the messages kept in memory: found, at the end of the queue (wait), behind what is kept (behind, a pull follows), or the queue was reset.",
	}, []string{"result"})
	m := &metrics{
		redelivered: counter("lmqgate_redeliveries_total", "Messages sent again with DUP after a reconnect."),
		tooLarge:    drops.WithLabelValues("too_large"),
		unencodable: drops.WithLabelValues("unencodable"),
		tooOld:      drops.WithLabelValues("expired"),
		expired:     drops.WithLabelValues("log_expired"),
		gone:        drops.WithLabelValues("gone"),
		stalls:      counter("lmqgate_window_stalls_total", "Times a subscription had to wait because as many messages as the client takes were unacknowledged."),
		tooMany:     counter("lmqgate_subscribes_over_limit_total", "New filters that were refused because of MAX_FILTERS."),
		resets:      counter("lmqgate_queue_resets_total", "Cursors that found their queue reset or rolled back and went by store time."),
		catchUps:    counter("lmqgate_catch_up_pulls_total", "Pulls made for one lagging cursor."),
		retained:    counter("lmqgate_retained_deliveries_total", "Retained messages sent for new subscriptions."),
		walkErrors:  counter("lmqgate_retained_read_errors_total", "Reads of retained messages for a subscription that failed and were tried again."),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lmqgate_delivery_seconds", Help: "Time from the broker's storing of a message to its sending to a client that was waiting for it, by two clocks.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		now: h.cfg.Now,
	}
	m.shared = sharedMetrics{
		popped:   counter("lmqgate_shared_popped_total", "Messages popped for shared subscriptions."),
		returned: counter("lmqgate_shared_returned_total", "Messages given back to their group because a member left or had no room."),
		lapsed:   counter("lmqgate_shared_lapsed_total", "Messages whose time was over before it could be prolonged or they could be acknowledged: they may be delivered twice."),
		owned:    counter("lmqgate_shared_owned_total", "QoS 2 messages that brokers handed out again although a member had them, and that were not delivered again."),
		unnoted:  counter("lmqgate_shared_unnoted_total", "QoS 2 messages of earlier connections whose end could not be noted: they may be delivered twice."),
		replaced: counter("lmqgate_shared_groups_replaced_total", "Groups that the registry had lost and that were begun anew meanwhile."),
	}
	for i, l := range []string{"found", "wait", "behind", "reset"} {
		m.reads[i] = ring.WithLabelValues(l)
	}
	byQoS := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_deliveries_total", Help: "Messages sent to clients."}, []string{"qos"})
	for i, l := range []string{"0", "1", "2"} {
		m.deliveries[i] = byQoS.WithLabelValues(l)
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	if r != nil {
		r.MustRegister(m.shared.popped, m.shared.returned, m.shared.lapsed, m.shared.replaced, m.shared.owned, m.shared.unnoted,
			gauge("lmqgate_shared_groups", "Groups of shared subscriptions that have members on this instance.", func() float64 { return float64(len(h.allShares())) }))
		r.MustRegister(newSurveyor(h), drops, ring, byQoS, m.latency, m.redelivered, m.stalls, m.resets, m.tooMany, m.catchUps, m.retained, m.walkErrors,
			gauge("lmqgate_queues_read", "Light message queues that this instance reads.", func() float64 {
				h.mu.Lock()
				defer h.mu.Unlock()
				return float64(len(h.queues))
			}),
			gauge("lmqgate_retained_waiting_sessions", "Sessions whose retained messages wait for their turn to be read.", func() float64 { return float64(h.walkers.queued()) }),
			gauge("lmqgate_ring_bytes", "Payload bytes kept in memory for lagging cursors.", func() float64 { return float64(h.ringBytes.Load()) }))
	}
	return m
}

// sent counts one delivery.
func (m *metrics) sent(qos byte, e *Entry) {
	m.deliveries[qos].Inc()
	if e.StoreMillis > 0 {
		m.latency.Observe(max(0, float64(m.now().UnixMilli()-e.StoreMillis)/1000))
	}
}

// sentRetained counts one delivery of a retained message.
func (m *metrics) sentRetained(qos byte, e *Entry) {
	m.retained.Inc()
	m.sent(qos, e)
}
