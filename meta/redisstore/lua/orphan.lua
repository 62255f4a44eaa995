-- orphan: detach a session from a dead instance as if its connection had ended when the instance's lease did.
-- KEYS  1 s:{cid}  2 :sub  3 :cur  4 :out  5 :in
-- ARGV  1 instance  2 ticket under which the instance recorded the session  3 end of its lease, ms
--       4 ms after which the subscriptions of an ended session are handed out again
-- Returns {0} not owned by that instance; {1, score for due, sub} ended by this call; {2} unknown format;
--         {3, score for due or ''} detached, now or before; {4, score for due} ended before, not settled.
-- Ending and detaching raise the epoch, so that an owner that only seemed dead is fenced.

local h = redis.call('HMGET', KEYS[1], 'f', 'e', 'o', 'x', 'd', 'q', 't', 'h', 'c')
if not h[1] then return {redis.call('EXISTS', KEYS[1]) * 2} end
if h[1] ~= '1' then return {2} end
if h[6] then
  if not h[8] then return {0} end
  return {4, h[8]}
end
if not h[3] then
  if h[5] == 'never' then return {3, ''} end
  return {3, h[5]}
end
-- Another ticket is that of an Attach which died before its script, or of an instance that lives again.
if h[3] ~= ARGV[1] or (h[7] ~= ARGV[2] and tonumber(h[9]) > tonumber(ARGV[3])) then return {0} end

local t = redis.call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000)
local expiry, epoch = tonumber(h[4]), string.format('%.0f', h[2] + 1)
local due = tonumber(ARGV[3]) + expiry
if expiry >= 4294967295000 then
  redis.call('HSET', KEYS[1], 'e', epoch, 'd', 'never', 'l', h[3])
  redis.call('HDEL', KEYS[1], 'o')
  return {3, ''}
end
if expiry > 0 and due > ms then
  due = string.format('%.0f', due)
  redis.call('HSET', KEYS[1], 'e', epoch, 'd', due, 'l', h[3])
  redis.call('HDEL', KEYS[1], 'o')
  return {3, due}
end

local sub = redis.call('HVALS', KEYS[2])
for i = 1, #sub do
  if string.byte(sub[i], 1) ~= 1 then return {2} end
end
local again = string.format('%.0f', ms + ARGV[4])
redis.call('HSET', KEYS[1], 'e', epoch, 'q', '1', 'h', again, 'l', h[3])
redis.call('HDEL', KEYS[1], 'o', 'd')
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
return {1, again, sub}
