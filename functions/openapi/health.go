package openapi

// self is the description's own path.
func (d *document) self() {
	d.path(Path, nil, object{"get": d.make(operation{
		id: "openapi", tag: "openapi", summary: "this document", answers: object{
			"200": says("the document", object{"type": "object"}), "304": object{"description": "it is the one of If-None-Match"},
		},
	})})
}

func (d *document) tick() {
	d.tag("tick", "Where instances scale to zero a scheduler runs what waits for one.")
	result := func() object {
		return object{
			"complete": boolean("nothing that was due is left"), "took_ms": count(""), "failed": list(text("a task")),
			"done": object{"type": "object", "description": "by task", "additionalProperties": object{"type": "object", "additionalProperties": count("")}},
		}
	}
	d.schemas["TickResult"] = structure("", []string{"complete", "took_ms", "done"}, result())
	failed := result()
	for name, schema := range problemSchema()["properties"].(object) {
		failed[name] = schema
	}
	d.schemas["TickProblem"] = structure("A problem (RFC 9457), with what was done all the same.", []string{"type", "title", "status"}, failed)
	d.security["tick"] = object{"type": "http", "scheme": "bearer", "description": "TICK_TOKEN"}
	later := problem(503)
	later["content"] = object{"application/problem+json": object{
		"schema":  ref("TickProblem"),
		"example": object{"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "the run was cut short"},
	}}
	d.path("/v1/tick", nil, object{"post": d.make(operation{
		id: "tick", tag: "tick", summary: "run what is due", security: []any{object{"tick": []any{}}, object{}},
		text:     "It answers when the work is done: a platform may take the processor away behind the answer.",
		answers:  object{"200": says("done", ref("TickResult"), object{"complete": true, "took_ms": 12, "done": object{"sessions": object{"wills": 1}}}), "503": later},
		problems: []int{401, 403, 429, 500},
	})})
}

func (d *document) health() {
	d.tag("health", "For platforms and balancers.")
	d.schemas["Health"] = structure("", []string{"status", "checks"}, object{
		"status": one("", "ok", "unavailable"), "checks": object{"type": "object", "additionalProperties": text("")},
	})
	healthy := says("it is", ref("Health"), object{"status": "ok", "checks": object{"redis": "ok"}})
	d.path("/health/live", nil, object{"get": d.make(operation{id: "live", tag: "health", summary: "the process lives", answers: object{"200": healthy}})})
	d.path("/health/ready", nil, object{"get": d.make(operation{
		id: "ready", tag: "health", summary: "what serving clients needs is there", answers: object{"200": healthy, "503": says("it is not", ref("Health"))},
	})})
}

func (d *document) metrics() {
	d.tag("metrics", "For Prometheus.")
	d.path("/metrics", nil, object{"get": d.make(operation{
		id: "metrics", tag: "metrics", summary: "metrics",
		answers: object{"200": object{"description": "metrics", "content": object{"text/plain": object{"schema": text("")}}}},
	})})
}
