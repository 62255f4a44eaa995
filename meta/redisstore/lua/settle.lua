-- settle: forget an ended session whose holdings were released.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in
-- Returns the score under which it stands in due, '' if it does not; '' also when the session lives again or is
-- unknown: then nothing was changed.

local h = redis.call('HMGET', KEYS[1], 'f', 'q', 'h')
if h[1] ~= '1' or not h[2] then return '' end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
return h[3] or ''
