-- snapshot: all held wildcard filters and the position they stand for.
-- KEYS  1 head  2 set of held filters
-- Returns {1, version, token, filters}; {2} unknown format.

local head = redis.call('HMGET', KEYS[1], 'f', 'n', 't')
if head[1] and head[1] ~= '1' then return {2} end
return {1, head[2] or '0', head[3] or '', redis.call('SMEMBERS', KEYS[2])}
