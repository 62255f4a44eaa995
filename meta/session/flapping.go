package session

import (
	"fmt"
	"time"
)

// Two devices that share a client id, each connecting again as soon as it is told that the other one took over, would do
// so as fast as the network lets them, and each time the whole session moves. So takeovers in quick succession are counted
// with the session: each counts for TakeoverCool, and as long as more than AttachRequest.Takeovers count, the next one is
// refused until some time has passed since the last one: TakeoverWait, twice that, and so on up to TakeoverWaitMax.
const (
	TakeoverCool    = 10 * time.Second
	TakeoverWait    = 250 * time.Millisecond
	TakeoverWaitMax = 8 * time.Second
)

// Flapping is the error of an Attach that came too soon behind earlier takeovers of its client id. Nothing was changed.
type Flapping struct {
	Wait      time.Duration // after this it is granted, unless another one comes first
	Takeovers int           // that count at the moment
	Holder    Owner         // who has the session
	Address   string        // of its client
}

// Error implements error.
func (f *Flapping) Error() string {
	return fmt.Sprintf("the client identifier was taken over %d times in quick succession, by several devices perhaps", f.Takeovers)
}
