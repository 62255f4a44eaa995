-- expire: end a detached session whose time has come, or hand out again an ended one that was not settled in time.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in
-- ARGV  1 now in ms ('' = the clock of Redis)
--       2 ms after which the subscriptions of an ended session are handed out again
-- Returns {0} nothing to do, ever; {1, score for due, sub} ended; {2} unknown format; {3, score for due} later.

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'd', 'q', 'h')
if not h[1] then return {redis.call('EXISTS', KEYS[1]) * 2} end
if h[1] ~= '1' then return {2} end
local ended, due = h[5], h[4]
if ended then due = h[6] end
if h[3] or not due or due == 'never' then return {0} end

local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
if tonumber(due) > now then return {3, due} end

local sub = redis.call('HVALS', KEYS[2])
for i = 1, #sub do
  if string.byte(sub[i], 1) ~= 1 then return {2} end
end
local again = string.format('%.0f', now + ARGV[2])
redis.call('HSET', KEYS[1], 'q', '1', 'h', again)
if not ended then
  redis.call('HSET', KEYS[1], 'e', string.format('%.0f', h[2] + 1))
  redis.call('HDEL', KEYS[1], 'd')
  redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
end
return {1, again, sub}
