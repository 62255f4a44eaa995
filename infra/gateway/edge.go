package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"

	"lmqgate/functions/web"
)

const (
	topicsPath   = "/v1/topics/" // a topic follows
	mostInBodies = 64 << 20      // bytes of the bodies of HTTP requests under way, unless the memory limit asks for less
)

// openEdge makes what stands before all functions.
func (g *Gateway) openEdge() *web.Edge {
	return web.NewEdge(web.EdgeConfig{
		Origins: g.cfg.CORSOrigins, MaxBody: 8*int64(g.cfg.MaxPacketSize) + 256<<10, MaxBytes: int64(g.share(mostInBodies, 16)),
		Now: g.now, Logger: g.log, Registerer: g.reg,
	})
}

// answerTime bounds the writing of answers that are there.
const answerTime = 100 * time.Millisecond

// lastAnswers lets HTTP callers hear what became of their requests before the connections are closed.
func (g *Gateway) lastAnswers(ctx context.Context) {
	if g.edge == nil || g.http == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	if g.edge.Wait(ctx) != nil {
		return
	}
	ctx, cancel = context.WithTimeout(ctx, answerTime)
	defer cancel()
	_ = g.http.Shutdown(ctx) // what it does not get done, Close does
}

// asWritten leaves alone paths that end in a topic: a//b and a/./b are topics, which a ServeMux would have asked for under
// a cleaned path.
func (g *Gateway) asWritten(mux http.Handler) http.Handler {
	if g.topics == nil {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, topicsPath) {
			g.topics.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
