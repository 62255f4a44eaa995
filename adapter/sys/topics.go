package sys

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"lmqgate/meta/status"
)

// Root is what all status topics begin with.
const Root = "$SYS/broker/"

// topic is one status topic and what it says.
type topic struct{ name, value string }

func number(name string, v int64) topic { return topic{name, strconv.FormatInt(v, 10)} }

// common are the topics that a cluster and an instance have alike.
func common(root string, f status.Figures) []topic {
	return []topic{
		{root + "version", "lmqgate version " + f.Version},
		{root + "uptime", fmt.Sprintf("%d seconds", f.Uptime)},
		number(root+"clients/connected", f.Connected),
		number(root+"messages/received", f.MessagesReceived),
		number(root+"messages/sent", f.MessagesSent),
		number(root+"publish/messages/received", f.PublishReceived),
		number(root+"publish/messages/sent", f.PublishSent),
		number(root+"publish/messages/dropped", f.PublishDropped),
		number(root+"bytes/received", f.BytesReceived),
		number(root+"bytes/sent", f.BytesSent),
		number(root+"subscriptions/count", f.Subscriptions),
	}
}

// ofInstance are the topics of one instance.
func ofInstance(f status.Figures) []topic {
	root := Root + "instances/" + level(f.Instance) + "/"
	return append(common(root, f), number(root+"clients/maximum", f.Maximum))
}

// ofCluster are the topics of all instances together. A negative count is not known.
func ofCluster(all []status.Figures, version string, retained, sessions int64) []topic {
	sum := status.Sum(all)
	sum.Version = version
	out := append(common(Root, sum), number(Root+"instances/count", int64(len(all))))
	if retained >= 0 {
		out = append(out, number(Root+"retained messages/count", retained))
	}
	if sessions >= 0 {
		total := max(sessions, sum.Connected) // they were not counted at the same moment
		out = append(out, number(Root+"clients/total", total), number(Root+"clients/disconnected", total-sum.Connected))
	}
	return out
}

// level makes a topic level of an instance id.
func level(id string) string {
	if id == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("/+#", r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '_'
		}
		return r
	}, id)
}
