-- inst_list: the registered instances and the ends of their leases.
-- KEYS  1 inst
-- Returns {the clock of Redis in ms, instance, end of its lease in ms, ...}

local t = redis.call('TIME')
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
table.insert(all, 1, string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)))
return all
