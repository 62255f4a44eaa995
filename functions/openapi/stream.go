package openapi

func (d *document) stream() {
	d.tag("stream", "Messages of topic filters, as they come.")
	d.schemas["Record"] = structure("A message.", []string{"topic", "payload", "encoding", "qos", "message_id"}, object{
		"id":    text("for Last-Event-ID or after; none for a retained message"),
		"topic": text(""), "payload": text(""), "encoding": one("base64: the payload is no UTF-8", "plain", "base64"), "qos": between(0, 2, ""),
		"retained": boolean("it was there before the subscription"), "message_id": text("the UNIQ_KEY in RocketMQ"), "time": moment("when it was published"),
		"content_type": text(""), "response_topic": text(""), "correlation_data": with(text(""), "contentEncoding", "base64"),
		"expiry": count("seconds from publication"), "user_properties": list(pair()),
	})
	d.schemas["Page"] = structure("", []string{"messages", "next"}, object{
		"messages": list(ref("Record")), "next": text("for after of the next call"), "gap": boolean("the session had ended: messages may be missing before these"),
	})
	common := func() []any {
		filters := query("filter", "topic filters, # as %23", with(with(list(text("")), "minItems", 1), "maxItems", 32))
		filters["required"] = true
		return []any{
			filters, query("retained", "send retained messages first", boolean("")),
			header("X-Mqtt-Client-Id", "the MQTT client id to be seen as, for logins that bind one", text("")),
			header("Last-Event-ID", "id of the last message that was taken; the stream goes on behind it", text("")),
			query("after", "the same, where a header cannot be said", text("")), query("last_event_id", "the same", text("")),
			query("format", "raw: the payload alone, in events", one("", "json", "raw")),
		}
	}
	record := object{
		"id": "b2r5wq7k3a6d.AQAB.c2VhbA", "topic": "chat/room1", "payload": "hello", "encoding": "plain", "qos": 1,
		"message_id": "7F00000100002A9F0000000000000001", "time": "2026-03-01T12:00:00.000Z",
	}
	d.path("/v1/stream", nil, object{"get": d.make(operation{
		id: "stream", tag: "stream", summary: "messages as Server-Sent Events, or as lines of JSON", security: d.callers(), params: common(),
		text: "The data of an event is a Record; with `Accept: application/x-ndjson` a line is one, after a first line with the id where the stream begins. An event `gap` says that the session " +
			"had ended and messages may be missing, an event `end` not to come back. Silence is broken every 15 seconds.",
		answers: object{"200": object{"description": "the stream", "content": object{
			"text/event-stream":    object{"schema": text(""), "example": "retry: 2000\nid: b2r5wq7k3a6d.AQAB.c2VhbA\n\n"},
			"application/x-ndjson": object{"schema": text("")},
		}}},
		problems: callerProblems,
	})})
	d.path("/v1/messages", nil, object{"get": d.make(operation{
		id: "messages", tag: "stream", summary: "what there is, or what comes first", security: d.callers(),
		text: "A long poll for callers that cannot stream; next of the answer is after of the next call.",
		params: append(common(), query("wait", "seconds to wait for a first message, or a duration such as 20s; a minute at most", text("")),
			query("max", "messages", with(with(count(""), "minimum", 1), "default", 100))),
		answers:  object{"200": says("a page, which may be empty", ref("Page"), object{"messages": []any{record}, "next": record["id"]})},
		problems: callerProblems,
	})})
}
