package redisstore

// Sources are the texts of all scripts of a Store as it sends them.
func Sources() []string {
	var all []string
	for _, sc := range loadScripts().all() {
		all = append(all, sc.source)
	}
	return all
}
