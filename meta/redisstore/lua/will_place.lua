-- will_place: record where a claimed will is about to be sent; the claim counts anew from now.
-- KEYS  1 s:{cid}:w
-- ARGV  1 id  2 claim  3 place  4 ms for which it is claimed
-- Returns 1; 0 when another one has the claim or the will is gone; 2 unknown format. Nothing is changed unless 1.

local h = redis.call('HMGET', KEYS[1], 'f', 's' .. ARGV[1])
if not h[2] then return 0 end
local w = {id = ARGV[1]}
if h[1] ~= '1' or not wills_parse(w, h[2]) then return 2 end
if w.kind ~= 'c' or w.claim ~= ARGV[2] then return 0 end
local ms = clock()
w.at = math.max(w.at, ms + ARGV[4])
if w.placed == '0' then w.placed = int(ms) end
redis.call('HSET', KEYS[1], 'p' .. w.id, ARGV[3])
wills_save(KEYS[1], w, false)
return 1
