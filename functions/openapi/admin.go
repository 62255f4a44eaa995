package openapi

import "maps"

// operatorProblems are those of everything that operators may do.
var operatorProblems = []int{400, 401, 403, 429, 500, 503}

func (d *document) admin() {
	d.tag("admin", "What operators see and do: clients and their sessions, filters, topics, retained messages, instances.")
	d.adminSchemas()
	limit, cursor := query("limit", "entries of a page", with(between(1, 1000, ""), "default", 100)), query("cursor", "next of the page before", text(""))
	read := func(id, summary string, answer object, params []any, more ...int) object {
		return d.make(operation{
			id: id, tag: "admin", summary: summary, security: d.operators(), params: params,
			answers: object{"200": answer}, problems: append(more, operatorProblems...),
		})
	}
	page := func(field, schema string) object {
		return says("a page", structure("", []string{field, "next"}, object{field: list(ref(schema)), "next": text("cursor of the next page; empty at the end")}))
	}
	pattern := func(of string) object { return query(of, "with `*` for any text", text("")) }

	d.path("/v1/admin/clients", nil, object{"get": read("clients", "list and search clients", page("clients", "Client"), []any{
		query("pattern", "of the client id, with `*` for any text", text("")), pattern("user"), pattern("instance"),
		query("state", "", one("", "connected", "away", "ended")), limit, cursor,
	})})
	client := segment("id", "the client id; a slash as %2F", "phone-7")
	kick := d.make(operation{
		id: "kick", tag: "admin", summary: "disconnect a client, with end_session its session too", security: d.operators(),
		params:  []any{query("end_session", "its messages are lost to the client", boolean(""))},
		answers: object{"200": says("done", ref("Kicked"))}, problems: append([]int{404, 504}, operatorProblems...),
	})
	d.path("/v1/admin/clients/{id}", []any{client}, object{
		"get":    read("client", "one client: session, subscriptions, cursors, lag, what is in flight", says("the client", ref("ClientDetail")), nil, 404),
		"delete": kick,
	})
	d.subscriptions(client)
	d.path("/v1/admin/filters", nil, object{"get": read("filters", "filters that are subscribed to", page("filters", "Filter"), []any{pattern("pattern"), limit, cursor})})
	filter := query("filter", "a topic filter, # as %23", text(""))
	filter["required"] = true
	d.path("/v1/admin/subscribers", nil, object{"get": read("subscribers", "who subscribes to a filter", page("subscribers", "Subscriber"), []any{filter, limit, cursor})})
	d.path("/v1/admin/topics", nil, object{"get": read("topics", "filters, summed up by their first level",
		says("topics", structure("", []string{"topics", "complete"}, object{"topics": list(ref("Topic")), "complete": boolean("all filters were looked at")})), nil)})
	d.path("/v1/admin/instances", nil, object{"get": read("instances", "the instances",
		says("instances", structure("", []string{"instances"}, object{"instances": list(ref("Instance"))})), nil)})
	kept := page("retained", "Retained")
	kept["content"].(object)["application/json"].(object)["schema"].(object)["properties"].(object)["unreadable"] = boolean("some have a format that this build does not know")
	d.path("/v1/admin/retained", nil, object{"get": read("retainedMessages", "retained messages, without payloads", kept, []any{
		query("filter", "# as %23, which is the default", text("")), limit, cursor,
	})})
	d.path("/v1/admin/retained/{topic}", []any{segment("topic", "an empty level as %2F", "chat/room1")}, object{
		"get":    read("retainedMessage", "the retained message of a topic", says("the message", ref("Retained")), nil, 404),
		"delete": read("deleteRetained", "delete it; subscribers are not told", says("what was deleted", ref("Retained")), nil, 404),
	})
}

// subscriptions are what operators do on behalf of a client.
func (d *document) subscriptions(client object) {
	d.schemas["Subscribed"] = structure("", []string{"client_id", "filter", "state", "instance", "qos", "existed"}, object{
		"client_id": text(""), "filter": text(""), "state": one("", "connected", "away"), "instance": text("that owns or last owned it"),
		"qos": between(0, 2, ""), "existed": boolean("there was a subscription to this filter"),
	})
	done := says("done", ref("Subscribed"), object{"client_id": "phone-7", "filter": "chat/#", "state": "connected", "instance": "vm-1", "qos": 1, "existed": false})
	problems := append([]int{404, 409, 504}, operatorProblems...)
	d.path("/v1/admin/clients/{id}/subscriptions/{filter}", []any{client, segment("filter", "# as %23, an empty level as %2F", "chat/+")}, object{
		"put": d.make(operation{
			id: "subscribe", tag: "admin", summary: "subscribe a client on its behalf, or give its subscription new options", security: d.operators(),
			text: "It does not matter what the client itself may subscribe to. A client that is away gets what is published from then on when it is back.",
			params: []any{
				query("qos", "", with(between(0, 2, ""), "default", 1)), query("no_local", "", boolean("")), query("retain_as_published", "", boolean("")),
				query("retain_handling", "0: send retained messages, 1: if the subscription is new, 2: none", between(0, 2, "")),
				query("identifier", "", between(0, 268_435_455, "")),
			},
			answers: object{"200": done}, problems: problems,
		}),
		"delete": d.make(operation{
			id: "unsubscribe", tag: "admin", summary: "end a subscription, whoever made it", security: d.operators(), answers: object{"200": done}, problems: problems,
		}),
	})
}

func (d *document) adminSchemas() {
	client := object{
		"client_id": text(""), "state": one("ended: what the session held is being released", "connected", "away", "ended"), "instance": text("that owns or last owned it"),
		"user": text(""), "address": text(""), "protocol": text("version of MQTT"), "epoch": count("of the connection"), "since": orNull(moment("when the current or last connection began")),
		"expiry": text("how long the session outlives the connection: a duration, or never, which is: it is kept for ever"), "expires": orNull(moment("when the session of one that is away ends")),
	}
	of := []string{"client_id", "state", "instance", "user", "address", "protocol", "epoch", "since", "expiry", "expires"}
	d.schemas["Client"] = structure("A client id that has a connection or a session.", of, client)
	detail := maps.Clone(client)
	maps.Copy(detail, object{
		"subscriptions": list(ref("Subscription")), "out": list(ref("Out")), "in": list(ref("In")), "wills": list(ref("Will")),
		"behind":     orNull(count("messages that wait, of what is known")),
		"lag_errors": object{"type": "object", "additionalProperties": text(""), "description": "by broker, why lags are not known"},
	})
	d.schemas["ClientDetail"] = structure("One client.", append(of, "subscriptions", "out", "in", "wills", "behind"), detail)
	d.schemas["Subscription"] = structure("", []string{"filter", "qos", "lmq", "cursors", "lag"}, object{
		"filter": text("#p2p, with own: what is sent to the client itself"), "qos": between(0, 2, ""), "identifier": count(""), "no_local": boolean(""),
		"shared": boolean("brokers keep the group's position"), "own": boolean(""), "granted": boolean("an operator made it"), "lmq": text("the light message queue"),
		"cursors": list(ref("Cursor")), "lag": orNull(count("of all its cursors")),
	})
	d.schemas["Cursor"] = structure("The position in one queue.", []string{"broker", "next", "acked", "max", "lag"}, object{
		"broker": text(""), "next": number("the lowest offset that is not acknowledged"), "acked": count("how many above it are"),
		"max": orNull(number("the offset of the next message")), "lag": orNull(count("messages not acknowledged")),
	})
	d.schemas["Out"] = structure("A message on its way to the client.", []string{"packet_id", "qos", "state", "filter", "broker", "offset", "key"}, object{
		"packet_id": between(1, 65535, ""), "qos": between(1, 2, ""), "state": one("", "sent", "released"), "filter": text(""), "broker": text(""), "offset": number(""), "key": text(""),
	})
	d.schemas["In"] = structure("A QoS 2 message that the client has sent and not released.", []string{"packet_id", "stored", "rocketmq_topic", "broker", "key", "at"}, object{
		"packet_id": between(1, 65535, ""), "stored": boolean("in RocketMQ's log"), "rocketmq_topic": text(""), "broker": text(""), "key": text(""), "at": orNull(moment("")),
	})
	d.schemas["Will"] = structure("A will that is not published yet.", []string{"topic", "qos", "retain", "bytes", "delay", "waits_for", "at"}, object{
		"topic": text(""), "qos": between(0, 2, ""), "retain": boolean(""), "bytes": count(""), "delay": text("a duration"),
		"waits_for": one("", "connection", "delay", "return", "publishing"), "at": orNull(moment("")),
	})
	d.schemas["Kicked"] = structure("", []string{"client_id", "was", "instance", "disconnected", "returned", "session_ended", "expires", "released"}, object{
		"client_id": text(""), "was": one("its state before", "connected", "away"), "instance": text(""), "disconnected": boolean("its connection was closed"),
		"returned": boolean("it has connected again since"), "session_ended": boolean(""), "expires": orNull(moment("when the session that is kept ends")),
		"released": count("subscriptions of the session that was ended"),
	})
	d.schemas["Filter"] = structure("", []string{"filter", "subscribers", "groups", "lmq"}, object{
		"filter": text(""), "subscribers": count("clients, also those that are away"), "groups": count("of shared subscriptions"), "lmq": text(""),
	})
	d.schemas["Subscriber"] = structure("", []string{"client_id", "filter"}, object{"client_id": text(""), "filter": text("with $share/group/ for a member of a group")})
	d.schemas["Topic"] = structure("", []string{"first_level", "rocketmq_topic", "filters", "wildcards", "subscriptions"}, object{
		"first_level": text(""), "rocketmq_topic": text("empty for + and #, which read all"), "filters": count(""), "wildcards": count("of them"), "subscriptions": count(""),
	})
	d.schemas["Retained"] = structure("", []string{"topic", "qos", "bytes", "publisher", "published", "expires", "key"}, object{
		"topic": text(""), "qos": between(0, 2, ""), "bytes": count("of the payload"), "publisher": text(""), "published": orNull(moment("")), "expires": orNull(moment("")),
		"key": text("UNIQ_KEY"), "content_type": text(""), "payload": with(text("only of one topic"), "contentEncoding", "base64"),
	})
	figures := object{"instance": text(""), "version": text("")}
	names := []string{"instance", "version"}
	for _, name := range []string{
		"uptime", "connected", "maximum", "subscriptions", "messagesReceived", "messagesSent", "publishReceived", "publishSent", "publishDropped", "bytesReceived", "bytesSent",
	} {
		figures[name] = count("")
		names = append(names, name)
	}
	d.schemas["Figures"] = structure("Of one instance, since its start.", names, figures)
	d.schemas["Instance"] = structure("", []string{"instance", "live", "lease", "sessions", "figures"}, object{
		"instance": text(""), "live": boolean("its lease has not ended"), "lease": orNull(moment("when that is or was")), "sessions": count("recorded as its own"),
		"figures": object{"anyOf": []any{ref("Figures"), object{"type": "null"}}},
	})
}
