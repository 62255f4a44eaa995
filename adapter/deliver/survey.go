package deliver

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	surveyMost  = 50_000          // cursors looked at
	surveyFresh = 5 * time.Second // for how long a survey is told again
)

// survey is what all sessions together have. Beyond surveyMost cursors those of further sessions are left out of it,
// whichever sessions these are.
type survey struct {
	sessions, persistent   int
	subscriptions, flights int
	cursors, lagging       int
	lag, lagMost           int64 // messages
}

// survey looks at the sessions, one at a time and for a moment each.
func (h *Hub) survey() survey {
	h.mu.Lock()
	sessions := make([]*Session, 0, len(h.sessions))
	for s := range h.sessions {
		sessions = append(sessions, s)
	}
	h.mu.Unlock()
	v := survey{sessions: len(sessions)}
	for _, s := range sessions {
		s.survey(&v)
	}
	return v
}

func (s *Session) survey(v *survey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.persist {
		v.persistent++
	}
	v.subscriptions += s.subs.len()
	v.flights += len(s.out.flights)
	if v.cursors >= surveyMost {
		return
	}
	for sub := range s.each {
		for _, c := range sub.cursors {
			v.cursors++
			if c.q == nil || c.place == atQueue {
				continue
			}
			if lag := c.q.known() - c.next; lag > 0 {
				v.lagging++
				v.lag += lag
				v.lagMost = max(v.lagMost, lag)
			}
		}
	}
}

// known is the queue's end as far as this instance has heard.
func (q *queue) known() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(q.to, q.top)
}

// surveyor makes metrics of surveys: whoever asks, one in surveyFresh at most.
type surveyor struct {
	hub   *Hub
	descs []*prometheus.Desc

	mu   sync.Mutex // protects the fields below
	at   time.Time
	last survey
}

func newSurveyor(h *Hub) *surveyor {
	s := &surveyor{hub: h}
	for _, d := range [][2]string{
		{"lmqgate_sessions", "Sessions that this instance serves."},
		{"lmqgate_sessions_persistent", "Those of them that outlive their connection."},
		{"lmqgate_subscriptions", "Subscriptions of these sessions, shared ones included."},
		{"lmqgate_deliveries_in_flight", "Messages of QoS 1 and 2 that these sessions have not acknowledged."},
		{"lmqgate_cursors", "Positions in light message queues that were looked at for the lag, at most 50,000."},
		{"lmqgate_cursors_lagging", "Those of them that are behind the end of their queue."},
		{"lmqgate_cursor_lag_messages", "By how many messages they are behind, together."},
		{"lmqgate_cursor_lag_most_messages", "By how many the last of them is behind."},
	} {
		s.descs = append(s.descs, prometheus.NewDesc(d[0], d[1], nil, nil))
	}
	return s
}

// Kind says that all are gauges.
func (s *surveyor) Kind() string { return "gauge" }

// Describe implements prometheus.Collector.
func (s *surveyor) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *surveyor) Collect(ch chan<- prometheus.Metric) {
	v := s.look()
	for i, value := range []float64{
		float64(v.sessions), float64(v.persistent), float64(v.subscriptions), float64(v.flights),
		float64(v.cursors), float64(v.lagging), float64(v.lag), float64(v.lagMost),
	} {
		ch <- prometheus.MustNewConstMetric(s.descs[i], prometheus.GaugeValue, value)
	}
}

func (s *surveyor) look() survey {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.hub.cfg.Now(); s.at.IsZero() || now.Sub(s.at) >= surveyFresh || now.Before(s.at) {
		s.last, s.at = s.hub.survey(), now
	}
	return s.last
}
