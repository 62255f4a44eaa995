package push

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
	"lmqgate/meta/push"
)

// View is a target as callers see it: of secrets their number, of headers their names.
type View struct {
	Name        string    `json:"name"`
	Filters     []string  `json:"filters"`
	URL         string    `json:"url"`
	Format      string    `json:"format"`
	Secrets     int       `json:"secrets"`
	Headers     []string  `json:"headers"`
	Username    string    `json:"username,omitempty"`
	Tenant      string    `json:"tenant,omitempty"`
	Concurrency int       `json:"concurrency"`
	Timeout     Duration  `json:"timeout"`
	MinBackoff  Duration  `json:"min_backoff"`
	MaxBackoff  Duration  `json:"max_backoff"`
	MaxAge      Duration  `json:"max_age"`
	MaxAttempts int       `json:"max_attempts"`
	DeadLetter  string    `json:"dead_letter,omitempty"`
	Handshake   bool      `json:"handshake,omitempty"`
	Created     time.Time `json:"created"`
	Status      Status    `json:"status"`
}

// Status is what has become of a target.
type Status struct {
	Stopped     string     `json:"stopped,omitempty"` // why nothing is sent until the target is written anew
	Instance    string     `json:"instance,omitempty"`
	Delivered   int64      `json:"delivered"`    // messages
	Failed      int64      `json:"failed"`       // attempts
	DeadLetters int64      `json:"dead_letters"` // messages given up, also where there is no dead-letter topic
	LastStatus  int        `json:"last_status,omitempty"`
	LastError   string     `json:"last_error,omitempty"`
	LastFailure *time.Time `json:"last_failure,omitempty"`
	LastSuccess *time.Time `json:"last_success,omitempty"`
}

func viewOf(t *push.Target, st *push.State) View {
	ms := func(n int64) Duration { return Duration(time.Duration(n) * time.Millisecond) }
	at := func(n int64) *time.Time {
		if n == 0 {
			return nil
		}
		v := time.UnixMilli(n).UTC()
		return &v
	}
	v := View{
		Name: t.Name, Filters: t.Filters, URL: t.URL, Format: t.Format, Secrets: len(t.Secrets), Username: t.Username, Tenant: t.Tenant,
		Headers: slices.AppendSeq([]string{}, maps.Keys(t.Headers)), Concurrency: t.Concurrency, Timeout: ms(t.Timeout), MinBackoff: ms(t.MinBackoff),
		MaxBackoff: ms(t.MaxBackoff), MaxAge: ms(t.MaxAge), MaxAttempts: t.MaxAttempts, DeadLetter: t.DeadLetter, Handshake: t.Handshake,
		Created: time.UnixMilli(t.Created).UTC(),
		Status: Status{
			Instance: st.Instance, Delivered: st.Delivered, Failed: st.Failed, DeadLetters: st.Dead, LastStatus: st.LastStatus, LastError: st.LastError,
			LastFailure: at(st.LastFailure), LastSuccess: at(st.LastSuccess),
		},
	}
	slices.Sort(v.Headers)
	if st.Rev == t.Rev {
		v.Status.Stopped = st.Stopped
	}
	return v
}

const (
	mostSpec    = 16 << 10 // bytes of a body
	requestTime = 25 * time.Second
	standsTime  = 10 * time.Second // for another instance to begin
	standsEvery = 100 * time.Millisecond
	askTime     = 8 * time.Second // for a handshake
)

// routes are the requests that there are, as an http.ServeMux writes them.
func (s *Service) routes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/push": s.httpList, "GET /v1/push/{name}": s.httpGet, "PUT /v1/push/{name}": s.httpPut, "DELETE /v1/push/{name}": s.httpDelete,
	}
}

// Patterns are the requests that the handler of a Service knows, as an http.ServeMux writes them.
func Patterns() []string { return slices.Sorted(maps.Keys((*Service)(nil).routes())) }

// Handler serves /v1/push for operators.
func (s *Service) Handler(operator *web.Operator) http.Handler {
	mux := http.NewServeMux()
	for pattern, fn := range s.routes() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), requestTime)
			defer cancel()
			err := fn(w, r.WithContext(ctx))
			about := []any{"method", r.Method, "target", r.PathValue("name"), "address", operator.Caller(r)}
			if err != nil {
				about = append(about, "error", err)
				web.Fail(w, s.problem(err))
			}
			if r.Method != http.MethodGet {
				s.cfg.Logger.Info("push", about...)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if name, ok := strings.CutPrefix(r.URL.Path, "/v1/push/"); r.URL.Path == "/v1/push" || ok && !strings.Contains(name, "/") {
			w.Header().Set("Allow", "GET, PUT, DELETE")
			web.Refuse(http.StatusMethodNotAllowed, "say GET /v1/push, or GET, PUT or DELETE /v1/push/{name}").Write(w)
			return
		}
		web.Refuse(http.StatusNotFound, "there is /v1/push and /v1/push/{name}").Write(w)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if operator.Admits(w, r) {
			mux.ServeHTTP(w, r)
		}
	})
}

// problem is what the caller is told.
func (s *Service) problem(err error) error {
	var p *web.Problem
	var filter *message.FilterError
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, push.ErrNotFound):
		return web.Refuse(http.StatusNotFound, "there is no such push target")
	case errors.Is(err, push.ErrChanged):
		return web.Refuse(http.StatusPreconditionFailed, "the push target is not what If-Match or If-None-Match says")
	case errors.Is(err, push.ErrTooMany):
		return web.Refuse(http.StatusConflict, "there are %d push targets, which is the most", s.cfg.Most)
	case errors.As(err, &filter):
		return web.Refuse(http.StatusUnprocessableEntity, "%v", filter)
	case errors.Is(err, message.ErrNotAllowed):
		return web.Refuse(http.StatusUnprocessableEntity, "the session of this target cannot be opened: %v", err)
	}
	s.cfg.Logger.Warn("push: a request failed", "error", err)
	return web.Later(http.StatusServiceUnavailable, 5, "the session store or the log does not answer, try again")
}

func tag(rev int64) string { return `"` + strconv.FormatInt(rev, 10) + `"` }

// nameOf reads the target's name from the path.
func nameOf(r *http.Request) (string, error) {
	name := r.PathValue("name")
	if !validName.MatchString(name) {
		return "", web.Refuse(http.StatusBadRequest, "a name is of 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit")
	}
	return name, nil
}

func (s *Service) httpList(w http.ResponseWriter, r *http.Request) error {
	list, _, err := s.cfg.Store.List(r.Context(), -1)
	if err != nil {
		return err
	}
	states, err := s.cfg.Store.States(r.Context())
	if err != nil {
		return err
	}
	out := struct {
		Targets []View `json:"targets"`
	}{[]View{}}
	for _, t := range list {
		if st := states[t.Name]; !t.Deleted {
			out.Targets = append(out.Targets, viewOf(&t, &st))
		}
	}
	web.OK(w, out)
	return nil
}

func (s *Service) httpGet(w http.ResponseWriter, r *http.Request) error {
	name, err := nameOf(r)
	if err != nil {
		return err
	}
	return s.show(w, r, name, http.StatusOK)
}

func (s *Service) show(w http.ResponseWriter, r *http.Request, name string, status int) error {
	t, st, err := s.cfg.Store.Get(r.Context(), name)
	if err == nil && t.Deleted {
		err = push.ErrNotFound
	}
	if err != nil {
		return err
	}
	w.Header().Set("ETag", tag(t.Rev))
	w.Header().Set("Cache-Control", "no-store")
	web.Reply(w, status, "application/json", viewOf(&t, &st))
	return nil
}

// expectation reads If-Match and If-None-Match (RFC 9110 section 13.1); of a list of tags only one is taken.
func expectation(r *http.Request) (push.Expect, error) {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case match == "" && none == "":
		return push.Expect{Any: true}, nil
	case match == "" && none == "*":
		return push.Expect{}, nil
	case match == "*" && none == "":
		return push.Expect{Exists: true}, nil
	}
	rev, err := strconv.ParseInt(strings.Trim(match, `"`), 10, 64)
	if err != nil || rev <= 0 || none != "" || match != tag(rev) {
		return push.Expect{}, web.Refuse(http.StatusBadRequest, "say If-Match with one ETag or *, or If-None-Match with *")
	}
	return push.Expect{Rev: rev}, nil
}

// httpPut writes a target, and answers when what is published from now on is delivered.
func (s *Service) httpPut(w http.ResponseWriter, r *http.Request) error {
	name, expect, err := s.writable(r)
	if err != nil {
		return err
	}
	var spec Spec
	if err := web.JSON(w, r, mostSpec, &spec); err != nil {
		return err
	}
	ctx := r.Context()
	old, _, err := s.cfg.Store.Get(ctx, name)
	missing := errors.Is(err, push.ErrNotFound)
	if err != nil && !missing {
		return err
	}
	live := !missing && !old.Deleted
	kept := old
	if !live {
		kept.Secrets, kept.Headers = nil, nil
	}
	t, err := spec.Target(name, &kept, s.cfg.Client.Check)
	if err != nil {
		return web.Refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	if t.Created = old.Created; !live {
		t.Created = s.cfg.Now().UnixMilli()
	}
	if t.Handshake && (!live || !old.Handshake || old.URL != t.URL) {
		if err := s.handshake(ctx, &t); err != nil {
			return web.Refuse(http.StatusUnprocessableEntity, "the URL does not agree to deliveries from here: %v", err)
		}
	}
	if live && expect.Any { // the version that the kept secrets are of
		expect = push.Expect{Rev: old.Rev}
	}
	if t.Rev, err = s.cfg.Store.Put(ctx, t, expect, s.cfg.Most); err != nil {
		if errors.Is(err, push.ErrChanged) && r.Header.Get("If-Match")+r.Header.Get("If-None-Match") == "" {
			return web.Later(http.StatusConflict, 1, "somebody else changed the target at the same time, try again")
		}
		return err
	}
	if err := s.stands(ctx, &t); err != nil {
		return s.undo(ctx, err, &t, &old, live)
	}
	s.again()
	status := http.StatusOK
	if !live {
		status = http.StatusCreated
	}
	return s.show(w, r, name, status)
}

// writable reads which target is to be written or deleted, and in which version.
func (s *Service) writable(r *http.Request) (string, push.Expect, error) {
	name, err := nameOf(r)
	if err != nil {
		return "", push.Expect{}, err
	}
	if name == EventsTarget {
		return "", push.Expect{}, web.Refuse(http.StatusForbidden, "the target %q is made by EVENTS_URL in the gateway's environment", EventsTarget)
	}
	expect, err := expectation(r)
	return name, expect, err
}

// stands opens the target's reading, so that its filters are held, and leaves it to whoever works the target. If somebody does
// already, it returns when that is the version t.
func (s *Service) stands(ctx context.Context, t *push.Target) error {
	reading, err := s.cfg.Reader.Open(ctx, request(t))
	if err == nil {
		return reading.Close()
	}
	if !errors.Is(err, message.ErrTakenOver) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, standsTime)
	defer cancel()
	for {
		_, st, err := s.cfg.Store.Get(ctx, t.Name)
		if err != nil || st.Rev >= t.Rev {
			return err
		}
		rest(ctx, standsEvery)
	}
}

// undo puts back what was there when a target cannot be read as it was written: the caller's mistake. Of trouble that passes the
// target is left as it is: it will be worked when that is over.
func (s *Service) undo(ctx context.Context, why error, t, old *push.Target, live bool) error {
	var filter *message.FilterError
	if !errors.As(why, &filter) && !errors.Is(why, message.ErrNotAllowed) {
		s.again()
		return web.Later(http.StatusServiceUnavailable, 5, "the target is written; that it is read could not be seen yet, say the same again")
	}
	back := *old
	if !live {
		back = *t
		back.Deleted = true
	}
	rev, err := s.cfg.Store.Put(ctx, back, push.Expect{Rev: t.Rev}, s.cfg.Most)
	if err != nil && !errors.Is(err, push.ErrChanged) {
		return err
	}
	if back.Deleted && err == nil {
		back.Rev = rev
		_ = s.clean(ctx, back) // or whoever works it does
	}
	s.again()
	return why
}

// httpDelete takes a target away and ends its session.
func (s *Service) httpDelete(w http.ResponseWriter, r *http.Request) error {
	name, expect, err := s.writable(r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	t, _, err := s.cfg.Store.Get(ctx, name)
	switch {
	case err != nil:
		return err
	case t.Deleted:
		return push.ErrNotFound
	case expect.Rev != 0 && expect.Rev != t.Rev, expect == push.Expect{}:
		return push.ErrChanged
	}
	t.Deleted = true
	if t.Rev, err = s.cfg.Store.Put(ctx, t, push.Expect{Rev: t.Rev}, s.cfg.Most); err != nil {
		return err
	}
	if err := s.clean(ctx, t); err != nil { // whoever works it does
		s.cfg.Logger.Debug("ending the session of a push target failed", "target", name, "error", err)
	}
	s.again()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
