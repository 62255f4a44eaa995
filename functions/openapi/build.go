package openapi

import (
	"maps"
	"net/http"
	"strconv"
)

// document is one under construction.
type document struct {
	tags     []any
	paths    object
	hooks    object // what is sent to others; nil: nothing
	schemas  object
	refused  object // responses that are problems, by status
	security object
}

func (d *document) tag(name, description string) {
	d.tags = append(d.tags, object{"name": name, "description": description})
}

// path adds operations, by method in lower case, and the parameters that are part of the path.
func (d *document) path(at string, params []any, operations object) {
	item := object{}
	maps.Copy(item, operations)
	if len(params) > 0 {
		item["parameters"] = params
	}
	d.paths[at] = item
}

// operation is what one method of a path does.
type operation struct {
	id, tag, summary, text string
	params                 []any
	body                   object
	answers                object // by status
	problems               []int
	security               []any
}

// make makes an operation of the document; its problems become responses that all operations share.
func (d *document) make(o operation) object {
	responses := object{}
	maps.Copy(responses, o.answers)
	for _, status := range o.problems {
		name := "Problem" + strconv.Itoa(status)
		responses[strconv.Itoa(status)] = object{"$ref": "#/components/responses/" + name}
		if d.refused[name] == nil {
			d.refused[name] = problem(status)
		}
	}
	out := object{"operationId": o.id, "tags": []any{o.tag}, "summary": o.summary, "responses": responses, "security": o.security}
	if o.security == nil {
		out["security"] = []any{}
	}
	if o.text != "" {
		out["description"] = o.text
	}
	if len(o.params) > 0 {
		out["parameters"] = o.params
	}
	if o.body != nil {
		out["requestBody"] = o.body
	}
	return out
}

// problem is a response that says what went wrong.
func problem(status int) object {
	r := object{
		"description": http.StatusText(status),
		"content":     object{"application/problem+json": object{"schema": ref("Problem")}},
	}
	headers := object{}
	switch status {
	case http.StatusUnauthorized:
		headers["WWW-Authenticate"] = object{"required": true, "description": "how to say who one is", "schema": text("")}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		headers["Retry-After"] = object{"description": "seconds", "schema": object{"type": "integer", "minimum": 0}}
	}
	if len(headers) > 0 {
		r["headers"] = headers
	}
	return r
}

func problemSchema() object {
	s := structure("What went wrong (RFC 9457).", []string{"type", "title", "status"}, object{
		"type":   text("`about:blank`, or a name that stays, on which callers may branch"),
		"title":  text("of the status"),
		"status": object{"type": "integer", "minimum": 400, "maximum": 599},
		"detail": text("for people"),
	})
	s["examples"] = []any{object{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no such client: neither a connection nor a session"}}
	return s
}

// ref refers to a schema of the document.
func ref(schema string) object { return object{"$ref": "#/components/schemas/" + schema} }

// structure is an object with fields.
func structure(description string, required []string, fields object) object {
	s := object{"type": "object", "properties": fields}
	if description != "" {
		s["description"] = description
	}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// taken is a structure that a caller sends: fields that are not in it are refused.
func taken(description string, required []string, fields object) object {
	s := structure(description, required, fields)
	s["additionalProperties"] = false
	return s
}

func described(kind any, description string) object {
	s := object{"type": kind}
	if description != "" {
		s["description"] = description
	}
	return s
}

func text(description string) object    { return described("string", description) }
func boolean(description string) object { return described("boolean", description) }
func number(description string) object  { return described("integer", description) }

// count is a number that is not negative.
func count(description string) object {
	n := number(description)
	n["minimum"] = 0
	return n
}

// between is a number within bounds.
func between(least, most int, description string) object {
	n := number(description)
	n["minimum"], n["maximum"] = least, most
	return n
}

// one is one of some texts.
func one(description string, of ...string) object {
	s := text(description)
	s["enum"] = of
	return s
}

// orNull lets a value be null.
func orNull(s object) object {
	s["type"] = []any{s["type"], "null"}
	return s
}

// moment is a time, RFC 3339; null if it is not known or never.
func moment(description string) object {
	s := text(description)
	s["format"] = "date-time"
	return s
}

func list(of object) object { return object{"type": "array", "items": of} }

// says is a response with a JSON body.
func says(description string, schema object, examples ...any) object {
	media := object{"schema": schema}
	if len(examples) > 0 {
		media["example"] = examples[0]
	}
	return object{"description": description, "content": object{"application/json": media}}
}

// sends is a request's JSON body.
func sends(schema object, example any) object {
	return object{"required": true, "content": object{"application/json": object{"schema": schema, "example": example}}}
}

// query is a parameter that may be left out.
func query(name, description string, schema object) object {
	return object{"name": name, "in": "query", "description": description, "schema": schema}
}

// header is a request header that may be left out.
func header(name, description string, schema object) object {
	return object{"name": name, "in": "header", "description": description, "schema": schema}
}

// segment is a parameter of the path.
func segment(name, description string, example string) object {
	return object{"name": name, "in": "path", "required": true, "description": description, "schema": text(""), "example": example}
}

// with is a schema with one more keyword.
func with(s object, keyword string, value any) object {
	out := maps.Clone(s)
	out[keyword] = value
	return out
}

// callers are verified like MQTT clients. Where AUTH has anonymous, nothing need be said.
func (d *document) callers() []any {
	d.security["callerToken"] = object{"type": "http", "scheme": "bearer", "description": "the password of a login without user name, such as a JWT"}
	d.security["callerLogin"] = object{"type": "http", "scheme": "basic", "description": "user name and password of an MQTT login"}
	return []any{object{"callerToken": []any{}}, object{"callerLogin": []any{}}, object{}}
}

// operators have ADMIN_TOKEN; embedded, on this machine, nothing need be said.
func (d *document) operators() []any {
	d.security["operator"] = object{"type": "http", "scheme": "bearer", "description": "ADMIN_TOKEN"}
	return []any{object{"operator": []any{}}, object{}}
}
