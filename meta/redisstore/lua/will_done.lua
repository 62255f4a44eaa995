-- will_done: forget a will that was published, if the caller still has it claimed.
-- KEYS  1 s:{cid}:w  2 s:{cid}
-- ARGV  1 id  2 claim
-- Returns {the score under which the client id stands in due, '' if it does not; the new one, '' for none}; both are ''
-- when nothing was changed.

local wills = wills_read(KEYS[1])
if not wills then return {'', ''} end
local left, found = {}, nil
for i = 1, #wills do
  local w = wills[i]
  if w.id == ARGV[1] and w.kind == 'c' and w.claim == ARGV[2] then found = w else left[#left + 1] = w end
end
if not found then return {'', ''} end
wills_drop(KEYS[1], found)
local h = redis.call('HMGET', KEYS[2], 'o', 'd', 'q', 'h')
local own = h[2]
if h[3] then own = h[4] end
if h[1] then own = nil end
return {score(own, wills), score(own, left)}
