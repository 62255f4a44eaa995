package cli

import (
	"context"
	"errors"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// lastWord is how long the reason of a lost link may take to arrive: paho tells it on another goroutine than the one on
// which the interrupted call returns.
const lastWord = time.Second

// during makes a call that waits for the server's answer, and ends it when the link ends, which paho's calls alone do not:
// they wait for the session to be resumed. The error is then the reason of the link's end; a DISCONNECT of the server is
// a *refusal. An answer, even a refusing one, comes back with the error that paho gives it.
func during[T any](ctx context.Context, l *link, call func(context.Context) (*T, error)) (*T, error) {
	calling, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case cause := <-l.gone:
			l.ended(cause) // for whoever asks next
			cancel(cause)
		case <-stop:
		}
	}()
	answer, err := call(calling)
	close(stop)
	<-watched
	if err == nil || answer != nil || ctx.Err() != nil || errors.Is(err, paho.ErrInvalidArguments) {
		return answer, err
	}
	select {
	case cause := <-l.gone:
		l.ended(cause)
		return nil, cause
	case <-time.After(lastWord):
		return nil, err
	}
}
