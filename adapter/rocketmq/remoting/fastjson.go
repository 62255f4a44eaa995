package remoting

// quoteKeys makes JSON of what Java's fastjson writes: maps with numeric keys
// come as {0:"127.0.0.1:10911"}. Keys without quotes get them, everything else
// stays byte for byte, so proper JSON comes back unchanged.
func quoteKeys(src []byte) []byte {
	out := make([]byte, 0, len(src)+16)
	var stack []byte // the open '{' and '['
	wantKey := false
	for i := 0; i < len(src); {
		ch := src[i]
		switch {
		case ch == '"':
			end := stringEnd(src, i)
			out = append(out, src[i:end]...)
			i, wantKey = end, false
			continue
		case ch == '{' || ch == '[':
			stack = append(stack, ch)
			wantKey = ch == '{'
		case ch == '}' || ch == ']':
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
			wantKey = false
		case ch == ',':
			wantKey = len(stack) > 0 && stack[len(stack)-1] == '{'
		case wantKey && isBare(ch):
			end := i
			for end < len(src) && isBare(src[end]) {
				end++
			}
			out = append(out, '"')
			out = append(out, src[i:end]...)
			out = append(out, '"')
			i, wantKey = end, false
			continue
		}
		out = append(out, ch)
		i++
	}
	return out
}

func isBare(ch byte) bool {
	return ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch == '_' || ch == '-'
}

// stringEnd returns the index behind the string that begins at start.
func stringEnd(src []byte, start int) int {
	for i := start + 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(src)
}
