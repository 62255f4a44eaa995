package publish_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"lmqgate/functions/publish"
	"lmqgate/functions/web"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
)

// everybody lets everybody in.
type everybody struct{}

func (everybody) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	return access.Identity{Username: l.Username, Method: access.MethodAnonymous}, nil
}

// printer is a log that prints.
type printer struct{}

func (printer) NewLane() message.Lane { return printer{} }

func (printer) Publish(p *message.Publication) {
	fmt.Printf("%s: %s (%s)\n", p.Message.Topic, p.Message.Payload, p.Message.Properties.ContentType)
	p.Done(message.Result{Key: "0123", Queues: 1}, nil)
}

// The handler needs a log and somebody who lets callers in, and nothing else of the gateway.
func Example() {
	edge := web.NewEdge(web.EdgeConfig{Origins: []string{"https://app.example.com"}})
	srv := httptest.NewServer(edge.Wrap("publish", publish.New(publish.Config{Lanes: printer{}, Guard: &web.Guard{Verifier: everybody{}}})))
	defer srv.Close()
	resp, err := http.Post(srv.URL+"/v1/topics/kitchen/temperature", "text/plain", strings.NewReader("21.5"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	fmt.Print(resp.StatusCode, " ", string(answer))
	// Output:
	// kitchen/temperature: 21.5 (text/plain)
	// 200 {"message_id":"0123","topic":"kitchen/temperature","queues":1}
}
