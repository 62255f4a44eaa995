-- settle: forget an ended session whose holdings were released. Its epoch is kept for a while, raised, so that the next
-- one is greater even if a failover turns the clock back a little. Wills that are not published stay.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in  6 :w
-- ARGV  1 for how many ms the epoch is kept
-- Returns {the score under which it stands in due, '' if it does not; the new one, '' for none}; both are '' also when the
-- session lives again or is unknown: then nothing was changed.

local h = redis.call('HMGET', KEYS[1], 'f', 'q', 'h', 'e')
if h[1] ~= '1' or not h[2] then return {'', ''} end
local wills = wills_read(KEYS[6])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('HSET', KEYS[1], 'f', '1', 'q', '1', 'e', int(h[4] + 1))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
if not wills then return {'', ''} end -- of another format: the entry of due stays for those who know it
return {score(h[3], wills), score(nil, wills)}
