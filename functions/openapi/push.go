package openapi

func (d *document) push() {
	d.tag("push", "Targets: URLs that get the messages of topic filters, at least once.")
	duration := func(description string) object { return with(text(description), "examples", []any{"30s"}) }
	settings := func() object {
		return object{
			"filters": with(with(list(text("")), "minItems", 1), "maxItems", 32), "url": with(text(""), "format", "uri"),
			"format":   one("", "cloudevents-binary", "cloudevents-structured", "pubsub", "raw"),
			"username": text("whose rights the target has"), "tenant": text(""), "concurrency": between(0, 64, "requests at once; 8 if not said"),
			"timeout": duration("of a request, 1s to 1m"), "min_backoff": duration("before the first repeat"), "max_backoff": duration("at most 1h"),
			"max_age": duration("of a message that is still sent; 0s: any"), "max_attempts": between(0, 1000, "0: any number"),
			"dead_letter": text("topic of messages that are given up"), "handshake": boolean("ask the URL first (CloudEvents abuse protection)"),
		}
	}
	spec := settings()
	spec["secrets"] = with(list(text("whsec_ and base64 (Standard Webhooks); those left out stay")), "maxItems", 2)
	spec["headers"] = object{"type": "object", "additionalProperties": text(""), "maxProperties": 32, "description": "sent with each request; those left out stay"}
	d.schemas["PushSpec"] = taken("", []string{"filters", "url"}, spec)
	view := settings()
	view["name"], view["secrets"], view["headers"] = text(""), count("how many there are"), list(text("names"))
	view["created"], view["status"] = moment(""), ref("PushStatus")
	d.schemas["PushTarget"] = structure("", []string{
		"name", "filters", "url", "format", "secrets", "headers", "concurrency", "timeout", "min_backoff", "max_backoff", "max_age", "max_attempts", "created", "status",
	}, view)
	d.schemas["PushStatus"] = structure("", []string{"delivered", "failed", "dead_letters"}, object{
		"stopped": text("why nothing is sent until the target is written anew"), "instance": text("that works it"),
		"delivered": count("messages"), "failed": count("attempts"), "dead_letters": count("messages given up"), "last_status": number(""), "last_error": text(""),
		"last_failure": moment(""), "last_success": moment(""),
	})
	target := object{
		"name": "orders", "filters": []any{"orders/#"}, "url": "https://example.com/hook", "format": "cloudevents-binary", "secrets": 1, "headers": []any{}, "concurrency": 8,
		"timeout": "30s", "min_backoff": "1s", "max_backoff": "5m0s", "max_age": "24h0m0s", "max_attempts": 0, "created": "2026-03-01T12:00:00Z",
		"status": object{"delivered": 41, "failed": 1, "dead_letters": 0},
	}
	tagged := func(description string) object {
		r := says(description, ref("PushTarget"), target)
		r["headers"] = object{"ETag": object{"required": true, "description": "the version", "schema": text("")}}
		return r
	}
	operator := []int{400, 401, 403, 404, 429, 500, 503}
	match := []any{
		header("If-Match", "the ETag that is meant, or *", text("")), header("If-None-Match", "*: only if there is none", text("")),
	}
	d.path("/v1/push", nil, object{"get": d.make(operation{
		id: "pushTargets", tag: "push", summary: "all targets", security: d.operators(),
		answers:  object{"200": says("targets", structure("", []string{"targets"}, object{"targets": list(ref("PushTarget"))}), object{"targets": []any{target}})},
		problems: []int{401, 403, 429, 500, 503},
	})})
	d.path("/v1/push/{name}", []any{segment("name", "1 to 64 letters, digits, '.', '_' and '-'", "orders")}, object{
		"get": d.make(operation{
			id: "pushTarget", tag: "push", summary: "one target", security: d.operators(), answers: object{"200": tagged("the target")}, problems: operator,
		}),
		"put": d.make(operation{
			id: "putPushTarget", tag: "push", summary: "make or change a target", security: d.operators(), params: match,
			text:     "When it is answered, what is published from then on is delivered.",
			body:     sends(ref("PushSpec"), object{"filters": []any{"orders/#"}, "url": "https://example.com/hook", "secrets": []any{"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"}}),
			answers:  object{"200": tagged("changed"), "201": tagged("made")},
			problems: append([]int{409, 412, 413, 422}, operator...),
		}),
		"delete": d.make(operation{
			id: "deletePushTarget", tag: "push", summary: "take a target away, with its place", security: d.operators(), params: match,
			answers: object{"204": object{"description": "gone"}}, problems: append([]int{412}, operator...),
		}),
	})
	d.webhooks()
}
