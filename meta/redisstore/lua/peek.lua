-- peek: read a whole session without touching it.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in
-- Returns {1, header as field, value, ..., sub, cur, out, in}; {0} no such session; {2} unknown format.

local header = redis.call('HGETALL', KEYS[1])
if #header == 0 then return {0} end
if redis.call('HGET', KEYS[1], 'f') ~= '1' then return {2} end
return {1, header, redis.call('HVALS', KEYS[2]), redis.call('HVALS', KEYS[3]), redis.call('HVALS', KEYS[4]),
  redis.call('HVALS', KEYS[5])}
